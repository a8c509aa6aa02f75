#pragma once

#include "output/file_stream.h"
#include "output/muxer.h"
#include "output/output_spec.h"
#include "output/sink.h"

#include <memory>
#include <string>

namespace zc {

/// A recording: a file, FIFO, device or stdout. A regular file plays to its last whole cluster or fragment at any
/// moment (killed, disk full, power of the program gone) and gets cues and duration from close() (Matroska).
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
  void interrupt() noexcept override { interrupt_->set(); }

 private:
  FileSink(const OutputSpec& spec, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<FileStream> stream);
  /// Notes the boundary after a call that worked; after one that failed, cuts back to the last and gives up the muxer.
  [[nodiscard]] Result<void> settle(Result<void> result);

  std::string name_;
  Container container_;
  std::unique_ptr<Interrupt> interrupt_;
  std::unique_ptr<FileStream> stream_;  ///< empty once closed
  std::unique_ptr<Muxer> muxer_;        ///< empty before open() and after an error
  std::uint64_t header_end_ = 0;        ///< bytes; a file that ends here has no picture
};

}  // namespace zc
