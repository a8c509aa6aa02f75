// FFmpeg's own log, led into ours.
#pragma once

#include <string>
#include <vector>

namespace zc {

/// Sends FFmpeg's log to the "encode" logger: warnings and errors, or with `debug` everything down to debug level.
/// Also silences SVT-AV1, which writes to stderr by itself, through its SVT_LOG variable unless the user set it.
/// Call once at start-up, before other threads exist (it changes the environment).
void set_ffmpeg_logging(bool debug);

/// While it lives, warnings and errors that FFmpeg logs on this thread are kept here and not logged: they are the
/// reason why an encoder did not open, and who handles the error decides what becomes of it.
class AvLogCapture {
 public:
  AvLogCapture();
  ~AvLogCapture();
  AvLogCapture(const AvLogCapture&) = delete;
  AvLogCapture& operator=(const AvLogCapture&) = delete;

  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  /// The lines joined by "; ", or "" if there are none.
  [[nodiscard]] std::string text() const;
  /// Logs the lines after all and forgets them: what was being tried went well.
  void pass_on();

 private:
  friend struct AvLogSink;
  std::vector<std::string> lines_;
  AvLogCapture* outer_;
};

}  // namespace zc
