#include "zerocopy/cpu/libyuv_ops.h"

#include <libyuv.h>

#include <algorithm>
#include <cstddef>
#include <string>

namespace zc {
namespace {

const std::uint8_t* u8(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }
std::uint8_t* u8(std::byte* p) { return reinterpret_cast<std::uint8_t*>(p); }
std::uint16_t* u16(std::byte* p) { return reinterpret_cast<std::uint16_t*>(p); }

/// Arguments of libyuv are ints; sizes are at most kMaxEdge.
int n(std::size_t value) { return static_cast<int>(value); }

struct U8Plane {
  std::uint8_t* data;
  int stride;
};
U8Plane plane8(const YuvView& view, unsigned i) {
  return {u8(view.planes.at(i).data), n(view.planes.at(i).stride_bytes)};
}
struct U16Plane {
  std::uint16_t* data;
  int stride;  // in samples
};
U16Plane plane16(const YuvView& view, unsigned i) {
  return {u16(view.planes.at(i).data), n(view.planes.at(i).stride_bytes / 2)};
}

Result<void> checked(int status, std::string_view operation) {
  if (status == 0) return {};
  return fail(ErrorKind::Internal, std::string(operation), "libyuv answered " + std::to_string(status));
}

/// Chroma of 4:2:2 as NV12 has it: the mean of two lines each.
void interleave_halved(const std::uint8_t* u, int u_stride, const std::uint8_t* v, int v_stride, std::uint8_t* to,
                       int stride, int width, int height) {
  for (int y = 0; y < height; y += 2) {
    const std::ptrdiff_t next = y + 1 < height ? 1 : 0;
    const std::uint8_t* u1 = u + next * u_stride;
    const std::uint8_t* v1 = v + next * v_stride;
    for (int x = 0; x < width; ++x) {
      to[std::ptrdiff_t{2} * x] = static_cast<std::uint8_t>((u[x] + u1[x] + 1) >> 1);
      to[std::ptrdiff_t{2} * x + 1] = static_cast<std::uint8_t>((v[x] + v1[x] + 1) >> 1);
    }
    u += std::ptrdiff_t{2} * u_stride;
    v += std::ptrdiff_t{2} * v_stride;
    to += stride;
  }
}

/// libyuv's clockwise rotation and whether the picture is first turned upside down (a negative height).
struct Turn {
  libyuv::RotationMode mode;
  bool upside_down;
  bool mirror;
};
Turn turn_of(Transform transform) {
  switch (transform) {
    case Transform::Normal: return {libyuv::kRotate0, false, false};
    case Transform::Rot90: return {libyuv::kRotate90, false, false};
    case Transform::Rot180: return {libyuv::kRotate180, false, false};
    case Transform::Rot270: return {libyuv::kRotate270, false, false};
    case Transform::Flipped: return {libyuv::kRotate0, false, true};
    case Transform::Flipped90: return {libyuv::kRotate90, true, false};
    case Transform::Flipped180: return {libyuv::kRotate0, true, false};
    case Transform::Flipped270: return {libyuv::kRotate270, true, false};
  }
  return {libyuv::kRotate0, false, false};
}

}  // namespace

Result<void> turn_pixels(const RgbView& source, Transform transform, std::byte* target,
                         std::size_t target_stride_bytes) {
  const Turn turn = turn_of(transform);
  const int width = n(source.size.width);
  const int height = turn.upside_down ? -n(source.size.height) : n(source.size.height);
  if (turn.mirror) {
    return checked(
        libyuv::ARGBMirror(u8(source.data), n(source.stride_bytes), u8(target), n(target_stride_bytes), width, height),
        "mirror");
  }
  return checked(libyuv::ARGBRotate(u8(source.data), n(source.stride_bytes), u8(target), n(target_stride_bytes), width,
                                    height, turn.mode),
                 "rotate");
}

Result<void> turn_i420(const YuvView& source, Transform transform, const YuvView& target) {
  const Turn turn = turn_of(transform);
  const auto [y, ys] = plane8(source, 0);
  const auto [u, us] = plane8(source, 1);
  const auto [v, vs] = plane8(source, 2);
  const auto [ty, tys] = plane8(target, 0);
  const auto [tu, tus] = plane8(target, 1);
  const auto [tv, tvs] = plane8(target, 2);
  const int width = n(source.size.width);
  const int height = turn.upside_down ? -n(source.size.height) : n(source.size.height);
  if (turn.mirror) {
    return checked(libyuv::I420Mirror(y, ys, u, us, v, vs, ty, tys, tu, tus, tv, tvs, width, height), "mirror");
  }
  return checked(libyuv::I420Rotate(y, ys, u, us, v, vs, ty, tys, tu, tus, tv, tvs, width, height, turn.mode),
                 "rotate");
}

Result<void> scale_yuv(const YuvView& source, const YuvView& target) {
  const auto [sw, sh] = source.size;
  const auto [tw, th] = target.size;
  constexpr auto filter = libyuv::kFilterBox;
  if (!yuv_layout(source.format).wide) {
    const auto scale = yuv_layout(source.format).subsampled ? libyuv::I420Scale : libyuv::I444Scale;
    const auto [y, ys] = plane8(source, 0);
    const auto [u, us] = plane8(source, 1);
    const auto [v, vs] = plane8(source, 2);
    const auto [ty, tys] = plane8(target, 0);
    const auto [tu, tus] = plane8(target, 1);
    const auto [tv, tvs] = plane8(target, 2);
    return checked(scale(y, ys, u, us, v, vs, n(sw), n(sh), ty, tys, tu, tus, tv, tvs, n(tw), n(th), filter), "scale");
  }
  const auto scale = yuv_layout(source.format).subsampled ? libyuv::I420Scale_16 : libyuv::I444Scale_16;
  const auto [y, ys] = plane16(source, 0);
  const auto [u, us] = plane16(source, 1);
  const auto [v, vs] = plane16(source, 2);
  const auto [ty, tys] = plane16(target, 0);
  const auto [tu, tus] = plane16(target, 1);
  const auto [tv, tvs] = plane16(target, 2);
  return checked(scale(y, ys, u, us, v, vs, n(sw), n(sh), ty, tys, tu, tus, tv, tvs, n(tw), n(th), filter), "scale");
}

bool is_camera_format(PixelFormat format) {
  using enum PixelFormat;
  return format == YUY2 || format == UYVY || format == NV12 || format == I420 || format == I422;
}

Result<void> camera_to_420(const HostImage& source, const Rect& crop, const YuvView& target) {
  const auto x = static_cast<std::size_t>(crop.x);
  const auto y = static_cast<std::size_t>(crop.y);
  const auto from = [&](unsigned plane, std::size_t byte_x, std::size_t row) {
    return u8(source.planes.at(plane).data) + row * source.planes.at(plane).stride_bytes + byte_x;
  };
  const auto stride = [&](unsigned plane) { return n(source.planes.at(plane).stride_bytes); };
  const int width = n(crop.width);
  const int height = n(crop.height);
  const auto [ty, tys] = plane8(target, 0);
  const auto [tu, tus] = plane8(target, 1);
  const bool nv12 = target.format == PixelFormat::NV12;
  const auto [tv, tvs] = nv12 ? U8Plane{nullptr, 0} : plane8(target, 2);
  switch (source.format) {
    case PixelFormat::YUY2:
      return checked(nv12 ? libyuv::YUY2ToNV12(from(0, x * 2, y), stride(0), ty, tys, tu, tus, width, height)
                          : libyuv::YUY2ToI420(from(0, x * 2, y), stride(0), ty, tys, tu, tus, tv, tvs, width, height),
                     "convert YUY2");
    case PixelFormat::UYVY:
      return checked(nv12 ? libyuv::UYVYToNV12(from(0, x * 2, y), stride(0), ty, tys, tu, tus, width, height)
                          : libyuv::UYVYToI420(from(0, x * 2, y), stride(0), ty, tys, tu, tus, tv, tvs, width, height),
                     "convert UYVY");
    case PixelFormat::NV12:
      return checked(nv12 ? libyuv::NV12Copy(from(0, x, y), stride(0), from(1, x, y / 2), stride(1), ty, tys, tu, tus,
                                             width, height)
                          : libyuv::NV12ToI420(from(0, x, y), stride(0), from(1, x, y / 2), stride(1), ty, tys, tu, tus,
                                               tv, tvs, width, height),
                     "convert NV12");
    case PixelFormat::I420:
      return checked(nv12
                         ? libyuv::I420ToNV12(from(0, x, y), stride(0), from(1, x / 2, y / 2), stride(1),
                                              from(2, x / 2, y / 2), stride(2), ty, tys, tu, tus, width, height)
                         : libyuv::I420Copy(from(0, x, y), stride(0), from(1, x / 2, y / 2), stride(1),
                                            from(2, x / 2, y / 2), stride(2), ty, tys, tu, tus, tv, tvs, width, height),
                     "convert I420");
    case PixelFormat::I422: {
      // libyuv takes I422 to I420 only.
      const auto plane = [&](unsigned i) { return from(i, i == 0 ? x : x / 2, y); };
      if (!nv12) {
        return checked(libyuv::I422ToI420(plane(0), stride(0), plane(1), stride(1), plane(2), stride(2), ty, tys, tu,
                                          tus, tv, tvs, width, height),
                       "convert I422");
      }
      libyuv::CopyPlane(plane(0), stride(0), ty, tys, width, height);
      interleave_halved(plane(1), stride(1), plane(2), stride(2), tu, tus, (width + 1) / 2, height);
      return {};
    }
    default: return fail(ErrorKind::Unsupported, "convert camera format", std::string(name(source.format)));
  }
}

Result<void> i420_to(const YuvView& source, const YuvView& target) {
  const auto [y, ys] = plane8(source, 0);
  const auto [u, us] = plane8(source, 1);
  const auto [v, vs] = plane8(source, 2);
  const auto [ty, tys] = plane8(target, 0);
  const auto [tu, tus] = plane8(target, 1);
  const int width = n(source.size.width);
  const int height = n(source.size.height);
  if (target.format == PixelFormat::NV12) {
    return checked(libyuv::I420ToNV12(y, ys, u, us, v, vs, ty, tys, tu, tus, width, height), "convert I420");
  }
  const auto [tv, tvs] = plane8(target, 2);
  const auto convert = target.format == PixelFormat::I444 ? libyuv::I420ToI444 : libyuv::I420Copy;
  return checked(convert(y, ys, u, us, v, vs, ty, tys, tu, tus, tv, tvs, width, height), "convert I420");
}

void widen(const YuvView& source, const YuvView& target) {
  const YuvLayout layout = yuv_layout(target.format);
  const unsigned shift = 2 + layout.value_shift;
  for (unsigned plane = 0; plane < 3; ++plane) {
    const std::size_t width = plane_width(source.format, plane, source.size.width);
    const std::size_t height = plane_height(source.format, plane, source.size.height);
    const bool interleaved = plane > 0 && layout.interleaved;
    const std::size_t step = interleaved ? 2 : 1;
    const YuvView::Plane& from = source.planes.at(plane);
    const YuvView::Plane& to = target.planes.at(interleaved ? 1 : plane);
    for (std::size_t y = 0; y < height; ++y) {
      const std::uint8_t* in = u8(from.data) + y * from.stride_bytes;
      std::uint16_t* out = u16(to.data + y * to.stride_bytes) + (interleaved ? plane - 1 : 0);
      for (std::size_t x = 0; x < width; ++x) out[x * step] = static_cast<std::uint16_t>(in[x] << shift);
    }
  }
}

void interleave_p010(const YuvView& source, const YuvView& target) {
  const auto [width, height] = source.size;
  const auto row = [](const YuvView& view, unsigned plane, std::size_t y) {
    return u16(view.planes.at(plane).data + y * view.planes.at(plane).stride_bytes);
  };
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint16_t* in = row(source, 0, y);
    std::uint16_t* out = row(target, 0, y);
    for (std::size_t x = 0; x < width; ++x) out[x] = static_cast<std::uint16_t>(in[x] << 6U);
  }
  for (std::size_t y = 0; y < (height + 1) / 2; ++y) {
    const std::uint16_t* u = row(source, 1, y);
    const std::uint16_t* v = row(source, 2, y);
    std::uint16_t* out = row(target, 1, y);
    for (std::size_t x = 0; x < (width + 1) / 2; ++x) {
      out[2 * x] = static_cast<std::uint16_t>(u[x] << 6U);
      out[2 * x + 1] = static_cast<std::uint16_t>(v[x] << 6U);
    }
  }
}

}  // namespace zc
