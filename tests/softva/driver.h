// The objects behind VA-API's numbers. One lock for everything: libva's entry points take it.
#pragma once

#include "softva/control.h"

#include <va/va_backend.h>
#include <va/va_backend_vpp.h>
#include <va/va_drmcommon.h>
#include <va/va_enc_h264.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace zc::softva {

/// The fault was asked for, whenever it comes.
bool fault(Fault which);
/// Counts one occasion; true when it is the one (the N-th) that was asked for.
bool fault_now(Fault which);
/// The device is gone: the N-th occasion of Fault::Lost has been counted.
bool lost();
/// Adds to one of the process's counts.
void count(std::size_t Counts::* member, int change);

/// Shared memory in whole pages, as dmabufs are, and its descriptor.
struct Memory {
  explicit Memory(std::size_t bytes);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();
  std::size_t size;
  int fd;
  std::uint8_t* data;  ///< null: there was none
};

/// What the driver knows of a fourcc: two planes, chroma interleaved.
struct Format {
  std::uint32_t fourcc, rt_format;
  std::array<std::uint32_t, 2> layers;  ///< DRM's
  std::uint32_t bytes;                  ///< of one sample
};
const std::array<Format, 2>& formats();
const Format* find_format(std::uint32_t fourcc);

/// A picture somewhere in memory.
struct Picture {
  struct Plane {
    std::uint8_t* data = nullptr;
    std::size_t offset = 0, pitch = 0;
  };
  const Format* format = nullptr;
  unsigned width = 0, height = 0;
  std::array<Plane, 2> planes{};
  /// Planes behind one another, rows on multiples of `alignment` bytes and `extra` more. The bytes it takes.
  std::size_t lay_out(std::size_t alignment, std::size_t extra);
  [[nodiscard]] std::size_t rows(unsigned plane) const { return plane == 0 ? height : (height + 1U) / 2; }
  [[nodiscard]] std::size_t row_bytes(unsigned plane) const {
    return std::size_t{format->bytes} * (plane == 0 ? width : (width + 1U) / 2 * 2);
  }
  [[nodiscard]] std::uint8_t* row(unsigned plane, std::size_t y) const {
    return planes.at(plane).data + planes.at(plane).offset + y * planes.at(plane).pitch;
  }
};

struct Buffer {
  VABufferType type{};
  std::vector<std::uint8_t> bytes;
  std::function<void()> pending;  ///< of a coded buffer: reads the picture and codes it, as late as a GPU may
  VACodedBufferSegment segment{};
  void finish() {
    if (auto work = std::exchange(pending, nullptr)) work();
  }
};

struct Surface {
  Picture picture;
  std::vector<std::unique_ptr<Memory>> memory;  ///< one, or one for each plane
  std::vector<std::weak_ptr<Buffer>> readers;   ///< coded buffers whose pictures are here and not read yet
  /// Whoever waits for a surface may write to it afterwards.
  void finish_readers() {
    for (const std::weak_ptr<Buffer>& weak : std::exchange(readers, {})) {
      if (const auto reader = weak.lock()) reader->finish();
    }
  }
};

/// What the pictures of an encoder have in common, and the parts of the one being described.
struct EncodeState {
  struct Packed {
    std::uint32_t type = 0;
    std::size_t bits = 0;
    std::vector<std::uint8_t> bytes;
  };
  VAEncSequenceParameterBufferH264 sequence{};
  std::optional<VAEncPictureParameterBufferH264> picture;
  std::optional<VAEncSliceParameterBufferH264> slice;
  std::vector<Packed> packed;
};

struct Context {
  VASurfaceID target = VA_INVALID_SURFACE;
  EncodeState encode;
};

template <class Object>
using Table = std::unordered_map<std::uint32_t, Object>;

struct Driver {
  std::mutex mutex;
  Table<VAProfile> configs;
  Table<Context> contexts;
  Table<std::shared_ptr<Surface>> surfaces;
  Table<std::shared_ptr<Buffer>> buffers;
  Table<VAImage> images;
  std::uint32_t last_id = 0x100;

  /// Null: there is no such object.
  template <class Object>
  static Object* find(Table<Object>& table, std::uint32_t id) {
    const auto found = table.find(id);
    return found == table.end() ? nullptr : &found->second;
  }
  template <class Object>
  std::uint32_t add(Table<Object>& table, std::size_t Counts::* number, Object object) {
    table.emplace(++last_id, std::move(object));
    count(number, 1);
    return last_id;
  }
  template <class Object>
  static bool remove(Table<Object>& table, std::size_t Counts::* number, std::uint32_t id) {
    if (table.erase(id) == 0) return false;
    count(number, -1);
    return true;
  }
};

/// The driver, locked.
struct Locked {
  explicit Locked(VADriverContextP context) : driver(static_cast<Driver*>(context->pDriverData)), lock(driver->mutex) {}
  Driver* operator->() const { return driver; }
  Driver* driver;
  std::unique_lock<std::mutex> lock;
};

// The table of libva's entry points is filled part by part.
void fill_config(VADriverVTable& table);
void fill_surface(VADriverVTable& table);
void fill_encoder(VADriverVTable& table);

/// One picture's stream without any compression: what is packed, in its order, with every macroblock as I_PCM behind
/// the slice's header. nullopt: the parameters ask for what this encoder has not (fields, several slices, B slices,
/// CAVLC, other tables of contexts).
std::optional<std::vector<std::uint8_t>> encode_h264(const Picture& picture, const EncodeState& state);

}  // namespace zc::softva
