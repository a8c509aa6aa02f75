#include "output/file_sink.h"

#include "base/file_names.h"
#include "base/log.h"

#include <fmt/format.h>

#include <variant>

namespace zc {
FileSink::FileSink(const OutputSpec& spec, std::unique_ptr<Interrupt> interrupt, std::unique_ptr<FileStream> stream)
    : name_(spec.name()), container_(spec.container), interrupt_(std::move(interrupt)), stream_(std::move(stream)) {
  const auto* file = std::get_if<FileOutput>(&spec.target);
  if (file != nullptr && stream_->seekable()) split_ = file->split;
}

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
  parameters_ = stream;
  order_.emplace(stream.audio.size());
  return begin();
}

Result<void> FileSink::begin() {
  if (auto ok = stream_->begin(); !ok) return ok;
  auto muxer = Muxer::create(container_, parameters_, *stream_);
  if (!muxer) return settle(std::unexpected(muxer.error()));
  muxer_ = std::move(*muxer);
  header_end_ = stream_->size();
  has_packets_ = false;
  packet_bytes_ = 0;
  return {};
}

bool FileSink::full(const Packet& packet) const {
  if (!has_packets_) return false;
  return (split_.time.count() > 0 && packet.pts - origin_ >= to_packet_clock(split_.time)) ||
         (split_.bytes > 0 && packet_bytes_ + packet.bytes().size() > split_.bytes);
}

Result<void> FileSink::roll_over(const StreamParameters& stream) {
  if (!stream_->seekable()) {
    return fail(
        ErrorKind::Lost, "go on with " + name_,
        fmt::format("{} cannot take a stream of another {}, and this is no file that another could follow; it is "
                    "whole up to here",
                    info(container_).title, stream.size != parameters_.size ? "size" : "encoder"));
  }
  parameters_ = stream;
  if (!has_packets_) {
    muxer_.reset();
    return begin();
  }
  if (auto finished = finish(); !finished) return finished;
  const std::string path = free_path(name_);
  auto next = FileStream::create(path, false, *interrupt_);
  if (!next) return std::unexpected(std::move(next.error()));
  stream_ = std::move(*next);
  keyframe_asked_ = false;
  further_files_.push_back(path);
  return begin();
}

Result<void> FileSink::write(const Packet& packet) {
  if (!muxer_) return fail(ErrorKind::Internal, "write " + name_, "not open");
  if (parameters_.audio.empty()) return write_next(packet);
  order_->push(packet);
  while (const auto next = order_->pop()) {
    if (auto written = write_next(*next); !written) return written;
  }
  return {};
}

Result<void> FileSink::write_rest() {
  while (const auto next = muxer_ ? order_->pop_rest() : std::nullopt) {
    if (auto written = write_next(*next); !written) return written;
  }
  return {};
}

Result<void> FileSink::write_next(const Packet& packet) {
  if (packet.track != 0 && (!has_packets_ || packet.pts < origin_)) return {};  // of before the first picture
  const bool due = full(packet);
  if (packet.new_stream && !can_go_on(container_, parameters_, *packet.new_stream)) {
    if (auto rolled = roll_over(*packet.new_stream); !rolled) return rolled;
  } else {
    if (packet.new_stream) parameters_ = *packet.new_stream;
    if (due && packet.keyframe) {
      if (auto rolled = roll_over(StreamParameters(parameters_)); !rolled) return rolled;
    } else if (due && !std::exchange(keyframe_asked_, true)) {
      keyframe_wish_ = true;
    }
  }
  if (!has_packets_) origin_ = packet.pts;  // one that is begun in mid-stream starts with its own first picture
  has_packets_ = true;
  packet_bytes_ += packet.bytes().size();
  if (origin_ == 0) return settle(muxer_->write(packet));
  Packet shifted = packet;
  shifted.pts -= origin_;
  shifted.dts -= origin_;
  return settle(muxer_->write(shifted));
}

Result<void> FileSink::flush() {
  if (!has_packets_) return {};
  if (auto written = write_rest(); !written || !muxer_) return written;
  return settle(muxer_->flush());
}

Result<void> FileSink::settle(Result<void> result) {
  if (!result) {
    muxer_.reset();
    stream_->cut_back();
  } else if (stream_->size() > header_end_) {
    stream_->commit();
  }
  return result;
}

Result<void> FileSink::finish() {
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
      if (!result && container_ == Container::Mp4 && stream_->seekable()) {
        logger("output").warn("{} stays in fragments, which players take and not every editor: {}",
                              further_files_.empty() ? name_ : further_files_.back(), result.error().message());
        result = {};
      }
    }
    muxer_.reset();
  }
  if (auto closed = stream_->close(); !closed && result) result = std::move(closed);
  return result;
}

Result<void> FileSink::close() {
  if (!stream_) return {};
  Result<void> rest = write_rest();
  Result<void> result = finish();
  if (!rest) result = std::move(rest);
  stream_.reset();
  return result;
}

}  // namespace zc
