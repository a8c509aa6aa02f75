#include "zerocopy/vaapi/va_trial.h"

#include "base/log.h"
#include "media/av_log.h"
#include "media/av_words.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu/yuv_view.h"
#include "zerocopy/vaapi/dmabuf_surfaces.h"
#include "zerocopy/vaapi/va_formats.h"
#include "zerocopy/vaapi/vaapi_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <va/va_drmcommon.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_drm.h>
#include <libavutil/hwcontext_vaapi.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "try VA-API with a picture";
constexpr Nanoseconds kPatience = std::chrono::seconds(2);
/// Large enough for every driver's least size and any tiling.
constexpr Size kSize{256, 128};
constexpr std::uint32_t kBlock = 64;  ///< px, edge of a block of one colour; its middle is looked at
/// Of 8 bits. Another matrix or range is off by ten and more.
constexpr double kTolerance = 3;

struct Colour {
  double red, green, blue;
};
constexpr std::array kColours = {Colour{1, 1, 1}, Colour{1, 0, 0},     Colour{0, 1, 0},       Colour{0, 0, 1},
                                 Colour{0, 0, 0}, Colour{1, 0.5, 0.2}, Colour{0.2, 0.8, 0.6}, Colour{0.5, 0.5, 0.5}};

std::size_t block_at(std::uint32_t x, std::uint32_t y) { return y / kBlock * (kSize.width / kBlock) + x / kBlock; }

/// What a colour is in an RGB format's word.
std::uint32_t word(PixelFormat format, const Colour& c) {
  const RgbFields fields = rgb_fields(format);
  const bool ten = fields.layout != RgbLayout::Bytes;
  const auto field = [&](std::uint8_t index, double value) {
    return static_cast<std::uint32_t>(std::lround(value * (ten ? 1023 : 255))) << (index * (ten ? 10U : 8U));
  };
  return field(fields.red, c.red) | field(fields.green, c.green) | field(fields.blue, c.blue);
}

/// Y, U and V as code values.
std::array<double, 3> code_values(const Colour& c, const ColourDescription& colour, unsigned bits) {
  const YuvMatrix m = yuv_matrix(colour, bits);
  const auto row = [&](const std::array<double, 3>& weights, double offset) {
    return offset + weights[0] * c.red + weights[1] * c.green + weights[2] * c.blue;
  };
  return {row(m.luma, m.luma_offset), row(m.cb, m.chroma_offset), row(m.cr, m.chroma_offset)};
}

YuvView view_of(const AVFrame& frame, PixelFormat format) {
  YuvView view{format, kSize, {}};
  for (unsigned i = 0; i < info(format).planes; ++i) {
    view.planes.at(i) = {reinterpret_cast<std::byte*>(frame.data[i]), static_cast<std::size_t>(frame.linesize[i])};
  }
  return view;
}

void put(const YuvView& view, unsigned plane, std::uint32_t index, std::uint32_t y, double value) {
  std::byte* row = view.planes.at(plane).data + y * view.planes.at(plane).stride_bytes;
  const YuvLayout layout = yuv_layout(view.format);
  const auto code = static_cast<std::uint16_t>(std::lround(value));
  if (!layout.wide) {
    row[index] = static_cast<std::byte>(code);
    return;
  }
  const auto shifted = static_cast<std::uint16_t>(code << layout.value_shift);
  std::memcpy(row + std::size_t{2} * index, &shifted, 2);
}

double get(const YuvView& view, unsigned plane, std::uint32_t index, std::uint32_t y) {
  const std::byte* row = view.planes.at(plane).data + y * view.planes.at(plane).stride_bytes;
  const YuvLayout layout = yuv_layout(view.format);
  if (!layout.wide) return std::to_integer<int>(row[index]);
  std::uint16_t value = 0;
  std::memcpy(&value, row + std::size_t{2} * index, 2);
  return value >> layout.value_shift;
}

void paint(AVFrame& frame, PixelFormat format) {
  const bool rgb = rgb_fields(format).valid;
  for (std::uint32_t y = 0; y < kSize.height; ++y) {
    for (std::uint32_t x = 0; x < kSize.width; ++x) {
      const Colour& colour = kColours.at(block_at(x, y));
      if (rgb) {
        const std::uint32_t w = word(format, colour);
        std::memcpy(frame.data[0] + static_cast<std::ptrdiff_t>(y) * frame.linesize[0] + std::ptrdiff_t{4} * x, &w, 4);
        continue;
      }
      const YuvView view = view_of(frame, format);
      const auto codes = code_values(colour, kBt709Limited, info(format).bits);
      put(view, 0, x, y, codes[0]);
      if (y % 2 == 0) put(view, 1, x, y / 2, codes.at(1 + x % 2));
    }
  }
}

std::unexpected<Error> refused(int code, std::string_view what) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return std::unexpected(
      Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation, fmt::format("{}: {}", what, text.data())});
}

/// A surface of the driver's own with the colours in it. `modifier`: the layout asked for; nullopt: its own choice.
Result<AvFramePtr> painted_surface(const vaapi::Device& device, const VaFormat& format,
                                   std::optional<std::uint64_t> modifier) {
  const auto av_device = device.av_device();
  if (!av_device) return std::unexpected(av_device.error());
  AvBufferPtr frames(av_hwframe_ctx_alloc(av_device->get()));
  if (!frames) return fail_errno(ENOMEM, kOperation);
  auto& context = *reinterpret_cast<AVHWFramesContext*>(frames->data);
  context.format = AV_PIX_FMT_VAAPI;
  context.sw_format = format.layout;
  context.width = static_cast<int>(kSize.width);
  context.height = static_cast<int>(kSize.height);
  std::uint64_t layout = modifier.value_or(0);
  VADRMFormatModifierList list{.num_modifiers = 1, .modifiers = &layout};
  VASurfaceAttrib wish{};
  wish.type = VASurfaceAttribDRMFormatModifiers;
  wish.flags = VA_SURFACE_ATTRIB_SETTABLE;
  wish.value.type = VAGenericValueTypePointer;
  wish.value.value.p = &list;
  if (modifier) {
    auto& own = *static_cast<AVVAAPIFramesContext*>(context.hwctx);
    own.attributes = &wish;
    own.nb_attributes = 1;
  }
  if (const int code = av_hwframe_ctx_init(frames.get()); code < 0) return refused(code, "make surfaces");
  AvFramePtr frame(av_frame_alloc());
  AvFramePtr picture(av_frame_alloc());
  if (!frame || !picture) return fail_errno(ENOMEM, kOperation);
  if (const int code = av_hwframe_get_buffer(frames.get(), frame.get(), 0); code < 0) return refused(code, "make one");
  picture->format = format.layout;
  picture->width = static_cast<int>(kSize.width);
  picture->height = static_cast<int>(kSize.height);
  if (const int code = av_frame_get_buffer(picture.get(), 0); code < 0) return refused(code, "make a picture");
  paint(*picture, format.as);
  if (const int code = av_hwframe_transfer_data(frame.get(), picture.get(), 0); code < 0) {
    return refused(code, "upload a picture");
  }
  return frame;
}

/// The surface as a dmabuf of one buffer.
Result<std::shared_ptr<const Dmabuf>> hand_out(const AVFrame& surface, const VaFormat& format) {
  const AvFramePtr drm(av_frame_alloc());
  if (!drm) return fail_errno(ENOMEM, kOperation);
  drm->format = AV_PIX_FMT_DRM_PRIME;
  if (const int code = av_hwframe_map(drm.get(), &surface, AV_HWFRAME_MAP_READ); code < 0) {
    return refused(code, "export a surface");
  }
  const auto& found = *reinterpret_cast<const AVDRMFrameDescriptor*>(drm->data[0]);
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = kSize;
  dmabuf->format = format.format;
  dmabuf->modifier = found.objects[0].format_modifier;
  for (int layer = 0; layer < found.nb_layers; ++layer) {
    for (int i = 0; i < found.layers[layer].nb_planes; ++i) {
      const AVDRMPlaneDescriptor& plane = found.layers[layer].planes[i];
      if (dmabuf->plane_count == Dmabuf::kMaxPlanes || plane.object_index >= found.nb_objects) {
        return fail(ErrorKind::Unsupported, kOperation, "the exported surface has too many planes");
      }
      UniqueFd fd(::fcntl(found.objects[plane.object_index].fd, F_DUPFD_CLOEXEC, 0));
      if (!fd) return fail_errno(errno, kOperation);
      dmabuf->planes.at(dmabuf->plane_count++) = {std::move(fd), static_cast<std::uint32_t>(plane.offset),
                                                  static_cast<std::uint32_t>(plane.pitch)};
    }
  }
  return std::shared_ptr<const Dmabuf>(std::move(dmabuf));
}

/// Converts and compares.
Result<void> check_colours(VaProcessor& processor, const AVFrame& source, PixelFormat source_format, VaapiPool& pool) {
  const auto target = pool.take();
  if (!target) return std::unexpected(target.error());
  const SurfaceFormat& format = pool.format();
  const Rect all{0, 0, kSize.width, kSize.height};
  const VaProcessor::Job job{.source = va_surface(source),
                             .from = all,
                             .rgb = rgb_fields(source_format).valid,
                             .source_colour = kBt709Limited,
                             .target = va_surface(*target->av_frame()),
                             .to = all,
                             .colour = format.colour};
  if (auto done = processor.run(job, kPatience); !done) return done;
  const AvFramePtr host(av_frame_alloc());
  if (!host) return fail_errno(ENOMEM, kOperation);
  host->format = av_pixel_format(format.format);
  if (const int code = av_hwframe_transfer_data(host.get(), target->av_frame(), 0); code < 0) {
    return refused(code, "download a surface");
  }
  const YuvView view = view_of(*host, format.format);
  const unsigned bits = info(format.format).bits;
  const double unit = bits == 10 ? 4 : 1;
  for (std::uint32_t y = kBlock / 2; y < kSize.height; y += kBlock) {
    for (std::uint32_t x = kBlock / 2; x < kSize.width; x += kBlock) {
      const auto want = code_values(kColours.at(block_at(x, y)), format.colour, bits);
      const std::array got{get(view, 0, x, y), get(view, 1, x, y / 2), get(view, 1, x + 1, y / 2)};
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::abs(got.at(i) - want.at(i)) <= kTolerance * unit) continue;
        return fail(ErrorKind::Unsupported, kOperation,
                    fmt::format("its colours are wrong: {:.0f} {:.0f} {:.0f} became {:.0f}, not {:.1f}",
                                kColours.at(block_at(x, y)).red * 255, kColours.at(block_at(x, y)).green * 255,
                                kColours.at(block_at(x, y)).blue * 255, got.at(i), want.at(i)));
      }
    }
  }
  return {};
}

/// What the driver may be asked to lay a picture out as, besides its own choice: LINEAR, and Intel's plain tilings
/// (drm_fourcc.h: I915_FORMAT_MOD_X_TILED, _Y_TILED, _4_TILED), of which a compositor may take another than the driver.
constexpr std::array<std::optional<std::uint64_t>, 5> kLayouts = {std::nullopt, 0x0100000000000009, 0x0100000000000002,
                                                                  0x0100000000000001, kModifierLinear};

struct Trial {
  const std::shared_ptr<const vaapi::Device>& device;
  VaProcessor& processor;
  VaapiPool& pool;
  DmabufSurfaces surfaces;

  bool made = false;  ///< the driver made the picture, whatever became of it

  /// The modifier under which a picture came through.
  Result<std::uint64_t> run(const VaFormat& format, std::optional<std::uint64_t> modifier) {
    made = false;
    const auto painted = painted_surface(*device, format, modifier);
    if (!painted) return std::unexpected(painted.error());
    const auto dmabuf = hand_out(**painted, format);
    if (!dmabuf) return std::unexpected(dmabuf.error());
    if (modifier && (*dmabuf)->modifier != *modifier) {
      return fail(ErrorKind::Unsupported, kOperation, "the driver makes another layout than it was asked for");
    }
    made = true;
    const auto imported = surfaces.find_or_map(*dmabuf);
    if (!imported) return std::unexpected(imported.error());
    if (auto right = check_colours(processor, **imported, format.as, pool); !right) {
      return std::unexpected(std::move(right.error()));
    }
    return (*dmabuf)->modifier;
  }
};

}  // namespace

VaTrialResult try_va_imports(const std::shared_ptr<const vaapi::Device>& device) {
  // What a driver refuses here is its answer, and nothing to tell the user of.
  const AvLogCapture quiet;
  VaTrialResult result;
  const auto give_up = [&](const Error& error) {
    result.reason = error.message();
    return result;
  };
  auto processor = VaProcessor::create(device, kSize);
  if (!processor) return give_up(processor.error());
  const auto pool =
      VaapiPool::create({.format = PixelFormat::NV12, .size = kSize, .memory = MemoryKind::Vaapi}, 2, *device);
  if (!pool) return give_up(pool.error());
  Trial trial{.device = device, .processor = **processor, .pool = **pool, .surfaces = DmabufSurfaces(device)};
  for (const VaFormat& format : va_formats()) {
    if (!(*processor)->knows(format.format)) continue;
    FormatOffer::Entry entry{format.format, {}};
    bool some = false;
    bool linear_fails = false;
    for (const auto& layout : kLayouts) {
      if (layout && *layout != kModifierLinear && !(*processor)->knows_modifiers()) continue;
      if (layout && std::ranges::find(entry.modifiers, *layout) != entry.modifiers.end()) continue;
      const auto modifier = trial.run(format, layout);
      if (modifier) {
        some = true;
        const bool explicit_one = *modifier != kModifierInvalid && *modifier != kModifierLinear;
        if (explicit_one) entry.modifiers.push_back(*modifier);
        continue;
      }
      logger("zerocopy")
          .debug("VA-API, {} as {}: {}", name(format.format),
                 layout ? fmt::format("{:#x}", *layout) : "the driver likes it", modifier.error().message());
      if (result.reason.empty()) result.reason = modifier.error().message();
      if (layout == kModifierLinear) linear_fails = trial.made;
    }
    if (!linear_fails && some) entry.modifiers.push_back(kModifierLinear);
    if (entry.modifiers.empty()) continue;
    result.formats.push_back(std::move(entry));
  }
  const auto shows_screens = [](const FormatOffer::Entry& entry) { return rgb_fields(entry.format).valid; };
  if (std::ranges::any_of(result.formats, shows_screens)) {
    result.reason.clear();
  } else {
    result.formats.clear();
  }
  return result;
}

Result<void> try_va_colours(const std::shared_ptr<const vaapi::Device>& device, const SurfaceFormat& format) {
  const AvLogCapture quiet;
  auto processor = VaProcessor::create(device, kSize);
  if (!processor) return std::unexpected(std::move(processor.error()));
  SurfaceFormat small = format;
  small.size = kSize;
  const auto pool = VaapiPool::create(small, 2, *device);
  if (!pool) return std::unexpected(pool.error());
  const auto painted = painted_surface(*device, *va_format(PixelFormat::BGRx), std::nullopt);
  if (!painted) return std::unexpected(painted.error());
  return check_colours(**processor, **painted, PixelFormat::BGRx, **pool);
}

}  // namespace zc
