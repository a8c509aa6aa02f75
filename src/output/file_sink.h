#pragma once

#include "output/file_stream.h"
#include "output/muxer.h"
#include "output/output_spec.h"
#include "output/sink.h"
#include "output/track_order.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace zc {

/// A recording: a file, FIFO, device or stdout. A regular file plays to its last whole cluster or fragment at any
/// moment (killed, disk full, power of the program gone). close() gives Matroska its cues and duration and makes MP4 a
/// plain one; an MP4 that has no room for that stays as it is, with a warning.
///
/// Where the container has one set of headers only (MP4) another encoder's stream goes into a new file, and where it
/// states one size (MP4, Matroska) pictures of another size do, and each next part where files are split: after
/// clip.mp4 comes clip-2.mp4, or the next number that is free. Each is whole and begins at time zero.
class FileSink final : public Sink {
 public:
  /// Claims the path now, before any dialog or capture. `spec` holds a FileOutput or StdoutOutput.
  [[nodiscard]] static Result<std::unique_ptr<FileSink>> create(const OutputSpec& spec);
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  FileSink(FileSink&&) = delete;
  FileSink& operator=(FileSink&&) = delete;

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> write(const Packet& packet) override;
  [[nodiscard]] Result<void> flush() override;
  [[nodiscard]] Result<void> close() override;
  [[nodiscard]] std::vector<std::string> further_files() const override { return further_files_; }
  [[nodiscard]] bool take_keyframe_wish() override { return std::exchange(keyframe_wish_, false); }
  [[nodiscard]] bool has_reader() const override { return stream_ && !stream_->seekable(); }
  void interrupt() noexcept override { interrupt_->set(); }

 private:
  FileSink(const OutputSpec& spec, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<FileStream> stream);
  /// Notes the boundary after a call that worked; after one that failed, cuts back to the last and gives up the muxer.
  [[nodiscard]] Result<void> settle(Result<void> result);
  /// Header and all, into `stream_`.
  [[nodiscard]] Result<void> begin();
  /// Of one that is in order.
  [[nodiscard]] Result<void> write_next(const Packet& packet);
  /// What waits for packets of other tracks.
  [[nodiscard]] Result<void> write_rest();
  /// Whether the file being written can go on with this stream.
  /// The file being written is as long or large as it may be.
  [[nodiscard]] bool full(const Packet& packet) const;
  /// Goes on in a new file, or in this one if it has no picture yet. Lost: it is no file.
  [[nodiscard]] Result<void> roll_over(const StreamParameters& stream);
  /// Writes out everything, then the index.
  [[nodiscard]] Result<void> finish();

  std::string name_;
  Container container_;
  SplitLimit split_;
  std::unique_ptr<Interrupt> interrupt_;
  std::unique_ptr<FileStream> stream_;  ///< empty once closed
  std::unique_ptr<Muxer> muxer_;        ///< empty before open() and after an error
  std::optional<TrackOrder> order_;     ///< empty before open()
  std::uint64_t header_end_ = 0;        ///< bytes; a file that ends here has no picture
  StreamParameters parameters_;         ///< of the file being written
  bool has_packets_ = false;            ///< likewise
  std::uint64_t packet_bytes_ = 0;      ///< likewise
  std::int64_t origin_ = 0;             ///< its time zero; kPacketClock ticks of the stream
  bool keyframe_wish_ = false;
  bool keyframe_asked_ = false;  ///< for the file that follows
  std::vector<std::string> further_files_;
};

}  // namespace zc
