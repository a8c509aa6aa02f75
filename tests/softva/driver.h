// The objects behind VA-API's numbers. One lock for everything: libva's entry points take it (see init.cpp).
#pragma once

#include "softva/faults.h"

#include <va/va_backend.h>
#include <va/va_backend_vpp.h>
#include <va/va_drmcommon.h>
#include <va/va_enc_h264.h>
#include <va/va_vpp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace zc::softva {

/// Memory behind a file descriptor, mapped; the descriptor stays open for exports.
class SharedMemory {
 public:
  /// New, of zeros but for its first fill, 0xCD: what nobody wrote must not pass for black.
  static std::shared_ptr<SharedMemory> make(std::size_t bytes);
  /// Maps what another made; `fd` stays the caller's.
  static std::shared_ptr<SharedMemory> map(int fd, std::size_t bytes);
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// -1: it is not ours to hand on.
  [[nodiscard]] int fd() const { return fd_; }

 private:
  SharedMemory(std::uint8_t* data, std::size_t size, int fd) : data_(data), size_(size), fd_(fd) {}
  std::uint8_t* data_;
  std::size_t size_;
  int fd_;
};

struct Plane {
  std::size_t offset = 0;
  std::size_t pitch = 0;
};

/// What the driver knows of a fourcc.
struct Format {
  std::uint32_t fourcc;
  std::uint32_t rt_format;
  std::uint32_t drm;                    ///< of the whole picture
  std::array<std::uint32_t, 2> layers;  ///< DRM's, one plane each; 0: none
  unsigned bytes;                       ///< of one luma sample or pixel
  unsigned planes;
  std::uint32_t depth;  ///< of VAImageFormat
};
const Format* find_format(std::uint32_t fourcc);
/// Those that images and surfaces come in.
const std::array<Format, 7>& formats();
/// Rows and bytes per row of a plane.
std::size_t plane_rows(const Format& format, unsigned plane, unsigned height);
std::size_t plane_bytes(const Format& format, unsigned plane, unsigned width);

/// A picture somewhere in mapped memory.
struct Picture {
  const Format* format = nullptr;
  unsigned width = 0;
  unsigned height = 0;
  std::uint8_t* base = nullptr;
  std::array<Plane, 2> planes{};
  [[nodiscard]] std::uint8_t* row(unsigned plane, std::size_t y) const {
    return base + planes.at(plane).offset + y * planes.at(plane).pitch;
  }
};

struct Buffer;

struct Surface {
  Picture picture;
  std::shared_ptr<SharedMemory> memory;
  bool imported = false;
  /// What was asked of the video processor and not done yet: it is done when somebody looks, as late as a GPU may.
  std::function<void()> pending;
  bool hung = false;
  std::vector<std::weak_ptr<Buffer>> readers;  ///< coded buffers whose pictures are here and not read yet
  void finish() {
    if (auto work = std::exchange(pending, nullptr)) work();
  }
  /// Whoever waits for a surface may write to it afterwards.
  void finish_readers();
};

struct Buffer {
  VABufferType type{};
  unsigned elements = 1;
  std::vector<std::uint8_t> bytes;
  std::shared_ptr<SharedMemory> elsewhere;  ///< of a derived image
  std::size_t offset = 0;
  std::function<void()> pending;  ///< of a coded buffer: reads the picture and codes it
  VACodedBufferSegment segment{};
  void finish() {
    if (auto work = std::exchange(pending, nullptr)) work();
  }
};
inline void Surface::finish_readers() {
  for (const std::weak_ptr<Buffer>& weak : std::exchange(readers, {})) {
    if (const auto reader = weak.lock()) reader->finish();
  }
}

struct Config {
  VAProfile profile{};
  VAEntrypoint entrypoint{};
};

/// What the pictures of an encoder have in common, and the parts of the one being described.
struct EncodeState {
  VAEncSequenceParameterBufferH264 sequence{};
  std::optional<VAEncPictureParameterBufferH264> picture;
  std::optional<VAEncSliceParameterBufferH264> slice;
  struct Packed {
    std::uint32_t type = 0;
    std::size_t bits = 0;
    std::vector<std::uint8_t> bytes;
  };
  std::vector<Packed> packed;
};

struct Context {
  Config config;
  VASurfaceID target = VA_INVALID_SURFACE;
  EncodeState encode;
  std::vector<VAProcPipelineParameterBuffer> pipelines;
};

struct Image {
  VAImage image{};
};

class Driver {
 public:
  ~Driver();

  std::mutex mutex;
  std::unordered_map<std::uint32_t, Config> configs;
  std::unordered_map<std::uint32_t, Context> contexts;
  std::unordered_map<std::uint32_t, std::shared_ptr<Surface>> surfaces;
  std::unordered_map<std::uint32_t, std::shared_ptr<Buffer>> buffers;
  std::unordered_map<std::uint32_t, Image> images;

  std::uint32_t next_id() { return ++last_id_; }
  std::shared_ptr<Surface> surface(std::uint32_t id) const {
    const auto found = surfaces.find(id);
    return found == surfaces.end() ? nullptr : found->second;
  }
  std::shared_ptr<Buffer> buffer(std::uint32_t id) const {
    const auto found = buffers.find(id);
    return found == buffers.end() ? nullptr : found->second;
  }
  Context* context(std::uint32_t id) {
    const auto found = contexts.find(id);
    return found == contexts.end() ? nullptr : &found->second;
  }

 private:
  std::uint32_t last_id_ = 0x100;
};

inline Driver& driver_of(VADriverContextP context) { return *static_cast<Driver*>(context->pDriverData); }

// The tables of libva's entry points are filled part by part.
void fill_config(VADriverVTable& table);
void fill_surface(VADriverVTable& table);
void fill_buffer(VADriverVTable& table);
void fill_image(VADriverVTable& table);
void fill_picture(VADriverVTable& table, VADriverVTableVPP& processing);

VABufferID make_buffer(Driver& driver, VABufferType type, std::vector<std::uint8_t> bytes, unsigned elements);

/// One picture of the video processor: the region, scaled, into its place; the rest of the target in the background's
/// colour. An empty answer: done.
VAStatus process(const Picture& source, const Picture& target, const VAProcPipelineParameterBuffer& pipeline);

}  // namespace zc::softva
