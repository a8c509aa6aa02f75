#pragma once

#include "capture/source.h"
#include "decode/decoded_picture.h"
#include "decode/decoder_choice.h"
#include "decode/video_decoder.h"
#include "media/frame.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

namespace zc {

/// Makes pictures of a camera's coded ones, on a thread of its own: decoding takes longer than who brings them may
/// wait. Its frames have the times and the transform of the coded ones.
class CodedStream {
 public:
  /// `deliver` is called on that thread, never after the destructor.
  CodedStream(CodedFormat format, DecoderChoice choice, std::function<void(Frame)> deliver);
  CodedStream(const CodedStream&) = delete;
  CodedStream& operator=(const CodedStream&) = delete;
  ~CodedStream() = default;

  [[nodiscard]] CodedFormat format() const { return format_; }
  /// Copies the bytes and returns. A frame of this format. One thread at a time; when decoding does not keep up, the
  /// oldest waiting JPEG is left out, or of H.264 the newest picture and all that are made of it.
  void push(const Frame& frame);
  /// Pictures so far that were left out, that could not be decoded, and that were delivered.
  [[nodiscard]] SourceStats stats() const;

 private:
  /// Few: a camera's pictures are wanted when they are new.
  static constexpr std::size_t kWaiting = 4;
  static constexpr std::size_t kRemembered = 16;

  /// What a picture has from its coded frame.
  struct Origin {
    Nanoseconds pts{};
    Nanoseconds arrival{};
    Transform transform = Transform::Normal;
  };
  struct Coded {
    std::vector<std::byte> bytes;  ///< keeps its memory
    Origin origin;
  };

  void run(const std::stop_token& stop);
  void decode(const Coded& coded);
  [[nodiscard]] bool open_next();
  void receive();
  void note_damage(const Error& error);
  /// Whether it shows what it is to show although one before it is missing.
  [[nodiscard]] bool stands_alone(std::span<const std::byte> coded);

  const CodedFormat format_;
  const std::function<void(Frame)> deliver_;
  std::atomic<std::uint64_t> delivered_ = 0;
  std::atomic<std::uint64_t> skipped_ = 0;
  std::atomic<std::uint64_t> corrupt_ = 0;
  std::atomic<bool> broken_ = false;  ///< of H.264: a picture is missing that others are made of

  unsigned awaited_ = 0;  ///< pictures left out since, by who pushes

  std::mutex mutex_;  ///< the ring
  std::condition_variable_any arrived_;
  std::array<Coded, kWaiting> ring_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;

  // The thread's own.
  const DecoderChoice choice_;
  std::size_t next_decoder_ = 0;
  std::unique_ptr<VideoDecoder> decoder_;  ///< null: none works
  DecodedPictures pictures_;
  Coded present_;
  std::array<Origin, kRemembered> origins_;  ///< of what the decoder was given last
  std::size_t next_origin_ = 0;
  std::uint64_t sequence_ = 0;

  std::jthread thread_;
};

}  // namespace zc
