#include "output/replay_buffer.h"

#include "output/sink_runner.h"

#include <utility>
#include <variant>
#include <vector>

namespace zc {

void ReplayBuffer::start(const StreamParameters& stream) {
  const std::lock_guard lock(mutex_);
  stream_ = std::make_shared<const StreamParameters>(stream);
}

bool ReplayBuffer::push(const Packet& packet) {
  const std::lock_guard lock(mutex_);
  if (packet.keyframe) {
    keyframes_.push_back(packet.pts);
    asked_ = false;
  }
  if (keyframes_.empty()) return wants_keyframe();
  bytes_ += packet.bytes().size();
  packets_.push_back(packet);
  trim();
  return wants_keyframe();
}

bool ReplayBuffer::wants_keyframe() {
  const std::int64_t longest = length_ + to_packet_clock(kMostExtra);
  const bool endless = packets_.empty() || (keyframes_.size() == 1 && packets_.back().pts - keyframes_[0] >= longest);
  return endless && !std::exchange(asked_, true);
}

void ReplayBuffer::set_length(Nanoseconds length) {
  const std::lock_guard lock(mutex_);
  length_ = to_packet_clock(length);
  trim();
}

void ReplayBuffer::drop_front() {
  Packet& front = packets_.front();
  bytes_ -= front.bytes().size();
  if (front.keyframe) keyframes_.pop_front();
  if (front.new_stream) stream_ = std::move(front.new_stream);
  packets_.pop_front();
}

void ReplayBuffer::trim() {
  while (keyframes_.size() > 1 && (packets_.back().pts - keyframes_[1] >= length_ || bytes_ > most_bytes_)) {
    do drop_front();
    while (!packets_.front().keyframe);
    if (packets_.front().new_stream) stream_ = packets_.front().new_stream;
  }
  // One endless group of pictures: there is nothing to cut at but everything.
  if (keyframes_.size() > 1 || bytes_ <= most_bytes_) return;
  while (!packets_.empty()) drop_front();
}

Nanoseconds ReplayBuffer::held() const {
  const std::lock_guard lock(mutex_);
  return packets_.empty() ? Nanoseconds{} : from_packet_clock(packets_.back().pts - packets_.front().pts);
}

Result<std::string> ReplayBuffer::save(const OutputSpec& spec) const {
  const std::string operation = "save the replay in " + spec.name();
  const auto* file = std::get_if<FileOutput>(&spec.target);
  if (file == nullptr) return fail(ErrorKind::Invalid, operation, "it is no file");
  std::vector<Packet> packets;
  std::shared_ptr<const StreamParameters> stream;
  {
    const std::lock_guard lock(mutex_);
    packets.assign(packets_.begin(), packets_.end());
    stream = stream_;
  }
  if (packets.empty() || !stream) return fail(ErrorKind::Busy, operation, "there is no picture yet");
  packets.front().new_stream.reset();
  auto sink = make_sink(spec);
  if (!sink) return std::unexpected(std::move(sink.error()));
  Result<void> written = (*sink)->open(*stream);
  for (const Packet& packet : packets) {
    if (written) written = (*sink)->write(packet);
  }
  if (auto closed = (*sink)->close(); written && !closed) written = std::move(closed);
  if (!written) return std::unexpected(std::move(written.error()));
  return file->path;
}

}  // namespace zc
