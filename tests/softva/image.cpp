// Images: copies of a surface's parts, or the surface's own memory.
#include "softva/driver.h"

#include <cstring>

namespace zc::softva {
namespace {

VAImageFormat image_format(const Format& format) {
  VAImageFormat out{};
  out.fourcc = format.fourcc;
  out.byte_order = VA_LSB_FIRST;
  out.bits_per_pixel = format.planes == 2 ? (format.bytes == 2 ? 24 : 12) : 32;
  out.depth = format.depth;
  return out;
}

VAStatus query_formats(VADriverContextP /*context*/, VAImageFormat* list, int* count) {
  for (const Format& format : formats()) *list++ = image_format(format);
  *count = static_cast<int>(formats().size());
  return VA_STATUS_SUCCESS;
}

void describe(VAImage& image, const Picture& picture) {
  image.format = image_format(*picture.format);
  image.width = static_cast<std::uint16_t>(picture.width);
  image.height = static_cast<std::uint16_t>(picture.height);
  image.num_planes = picture.format->planes;
  for (unsigned i = 0; i < picture.format->planes; ++i) {
    image.offsets[i] = static_cast<std::uint32_t>(picture.planes.at(i).offset);
    image.pitches[i] = static_cast<std::uint32_t>(picture.planes.at(i).pitch);
  }
}

VAStatus create(VADriverContextP context, VAImageFormat* wanted, int width, int height, VAImage* image) {
  const Format* format = find_format(wanted->fourcc);
  if (format == nullptr || width <= 0 || height <= 0) return VA_STATUS_ERROR_INVALID_IMAGE_FORMAT;
  Picture picture{format, static_cast<unsigned>(width), static_cast<unsigned>(height), nullptr, {}};
  std::size_t bytes = 0;
  for (unsigned i = 0; i < format->planes; ++i) {
    picture.planes.at(i) = {bytes, (plane_bytes(*format, i, picture.width) + 15) / 16 * 16};
    bytes += picture.planes.at(i).pitch * plane_rows(*format, i, picture.height);
  }
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  *image = {};
  describe(*image, picture);
  image->data_size = static_cast<std::uint32_t>(bytes);
  image->buf = make_buffer(driver, VAImageBufferType, std::vector<std::uint8_t>(bytes, 0xCD), 1);
  image->image_id = driver.next_id();
  driver.images.emplace(image->image_id, Image{*image});
  zc::softva::count(&Counts::images, 1);
  return VA_STATUS_SUCCESS;
}

VAStatus derive(VADriverContextP context, VASurfaceID id, VAImage* image) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto surface = driver.surface(id);
  if (!surface) return VA_STATUS_ERROR_INVALID_SURFACE;
  if (lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  surface->finish();
  *image = {};
  describe(*image, surface->picture);
  image->data_size = static_cast<std::uint32_t>(surface->memory->size());
  image->buf = make_buffer(driver, VAImageBufferType, {}, 1);
  driver.buffer(image->buf)->elsewhere = surface->memory;
  image->image_id = driver.next_id();
  driver.images.emplace(image->image_id, Image{*image});
  zc::softva::count(&Counts::images, 1);
  return VA_STATUS_SUCCESS;
}

VAStatus destroy(VADriverContextP context, VAImageID id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto found = driver.images.find(id);
  if (found == driver.images.end()) return VA_STATUS_ERROR_INVALID_IMAGE;
  if (driver.buffers.erase(found->second.image.buf) != 0) zc::softva::count(&Counts::buffers, -1);
  driver.images.erase(found);
  zc::softva::count(&Counts::images, -1);
  return VA_STATUS_SUCCESS;
}

struct Part {
  int x = 0;
  int y = 0;
  unsigned width = 0;
  unsigned height = 0;
  [[nodiscard]] bool inside(unsigned of_width, unsigned of_height) const {
    return x >= 0 && y >= 0 && x + static_cast<std::int64_t>(width) <= of_width &&
           y + static_cast<std::int64_t>(height) <= of_height;
  }
  [[nodiscard]] bool even() const { return x % 2 == 0 && y % 2 == 0; }
};

/// An image's memory, looked at as a picture.
std::optional<Picture> picture_of(Driver& driver, VAImageID id) {
  const auto found = driver.images.find(id);
  if (found == driver.images.end()) return std::nullopt;
  const VAImage& image = found->second.image;
  const auto buffer = driver.buffer(image.buf);
  if (!buffer) return std::nullopt;
  Picture picture{find_format(image.format.fourcc), image.width, image.height, nullptr, {}};
  for (unsigned i = 0; i < image.num_planes; ++i) picture.planes.at(i) = {image.offsets[i], image.pitches[i]};
  picture.base = buffer->elsewhere ? buffer->elsewhere->data() : buffer->bytes.data();
  return picture;
}

void copy(const Picture& from, const Part& at, const Picture& to, int to_x, int to_y) {
  for (unsigned plane = 0; plane < from.format->planes; ++plane) {
    const std::size_t halves = plane == 0 ? 1 : 2;
    const std::size_t step = from.format->bytes * halves;  // bytes of one sample position, NV12's pairs included
    const std::size_t bytes = plane_bytes(*from.format, plane, at.width);
    for (std::size_t y = 0; y < plane_rows(*from.format, plane, at.height); ++y) {
      std::memcpy(
          to.row(plane, static_cast<std::size_t>(to_y) / halves + y) + static_cast<std::size_t>(to_x) / halves * step,
          from.row(plane, static_cast<std::size_t>(at.y) / halves + y) + static_cast<std::size_t>(at.x) / halves * step,
          bytes);
    }
  }
}

VAStatus get(VADriverContextP context, VASurfaceID id, int x, int y, unsigned int width, unsigned int height,
             VAImageID image) {
  if (lost() || fault_now(Fault::GetImage)) return VA_STATUS_ERROR_OPERATION_FAILED;
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto surface = driver.surface(id);
  const auto to = picture_of(driver, image);
  if (!surface || !to) return VA_STATUS_ERROR_INVALID_PARAMETER;
  const Part part{x, y, width, height};
  if (to->format != surface->picture.format || !part.even() ||
      !part.inside(surface->picture.width, surface->picture.height) || width > to->width || height > to->height) {
    return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  surface->finish();
  copy(surface->picture, part, *to, 0, 0);
  return VA_STATUS_SUCCESS;
}

VAStatus put(VADriverContextP context, VASurfaceID id, VAImageID image, int x, int y, unsigned int width,
             unsigned int height, int to_x, int to_y, unsigned int to_width, unsigned int to_height) {
  if (lost() || fault_now(Fault::PutImage)) return VA_STATUS_ERROR_OPERATION_FAILED;
  if (width != to_width || height != to_height) return VA_STATUS_ERROR_UNIMPLEMENTED;
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto surface = driver.surface(id);
  const auto from = picture_of(driver, image);
  if (!surface || !from) return VA_STATUS_ERROR_INVALID_PARAMETER;
  const Part part{x, y, width, height};
  const Part there{to_x, to_y, width, height};
  if (from->format != surface->picture.format || !part.even() || !there.even() ||
      !part.inside(from->width, from->height) || !there.inside(surface->picture.width, surface->picture.height)) {
    return VA_STATUS_ERROR_INVALID_PARAMETER;
  }
  surface->finish();
  copy(*from, part, surface->picture, to_x, to_y);
  return VA_STATUS_SUCCESS;
}

VAStatus no_palette(VADriverContextP /*context*/, VAImageID /*image*/, unsigned char* /*palette*/) {
  return VA_STATUS_ERROR_UNIMPLEMENTED;
}

}  // namespace

void fill_image(VADriverVTable& table) {
  table.vaQueryImageFormats = query_formats;
  table.vaCreateImage = create;
  table.vaDeriveImage = derive;
  table.vaDestroyImage = destroy;
  table.vaGetImage = get;
  table.vaPutImage = put;
  table.vaSetImagePalette = no_palette;
}

}  // namespace zc::softva
