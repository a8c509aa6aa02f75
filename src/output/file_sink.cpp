#include "output/file_sink.h"

#include <variant>

namespace zc {

FileSink::FileSink(const OutputSpec& spec, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<FileStream> stream)
    : name_(spec.name()), container_(spec.container), interrupt_(std::move(interrupt)), stream_(std::move(stream)) {}

FileSink::~FileSink() {
  // Whoever wants to know calls close().
  [[maybe_unused]] const auto closed = FileSink::close();
}

Result<std::unique_ptr<FileSink>> FileSink::create(const OutputSpec& spec) {
  auto interrupt = Interrupt::create();
  if (!interrupt) return std::unexpected(interrupt.error());
  const auto* file = std::get_if<FileOutput>(&spec.target);
  auto stream = file != nullptr ? FileStream::create(file->path, file->overwrite, **interrupt)
                                : FileStream::standard_output(**interrupt);
  if (!stream) return std::unexpected(stream.error());
  return std::unique_ptr<FileSink>(new FileSink(spec, std::move(*interrupt), std::move(*stream)));
}

Result<void> FileSink::open(const StreamParameters& stream) {
  if (!stream_ || muxer_) return fail(ErrorKind::Internal, "open " + name_, "opened twice");
  if (auto ok = check_codec(container_, stream.codec); !ok) return ok;
  if (auto ok = stream_->begin(); !ok) return ok;
  auto muxer = Muxer::create(container_, stream, *stream_);
  if (!muxer) return settle(std::unexpected(muxer.error()));
  muxer_ = std::move(*muxer);
  header_end_ = stream_->size();
  return {};
}

Result<void> FileSink::write(const Packet& packet) {
  if (!muxer_) return fail(ErrorKind::Internal, "write " + name_, "not open");
  return settle(muxer_->write(packet));
}

Result<void> FileSink::flush() { return muxer_ ? settle(muxer_->flush()) : Result<void>{}; }

Result<void> FileSink::settle(Result<void> result) {
  if (!result) {
    muxer_.reset();
    stream_->cut_back();
  } else if (stream_->size() > header_end_) {
    stream_->commit();
  }
  return result;
}

Result<void> FileSink::close() {
  if (!stream_) return {};
  Result<void> result;
  if (muxer_) {
    // First the last pictures, then the index: when only the index does not fit, the pictures stay.
    result = settle(muxer_->drain());
    const bool has_picture = stream_->size() > header_end_;
    if (muxer_ && has_picture) {
      result = muxer_->finish();
      if (result) {
        stream_->commit();
      } else {
        stream_->cut_back();
      }
    }
    muxer_.reset();
  }
  if (auto closed = stream_->close(); !closed && result) result = std::move(closed);
  stream_.reset();
  return result;
}

}  // namespace zc
