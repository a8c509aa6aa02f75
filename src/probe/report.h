// What `zerocast zerocopy-probe` found out, as plain data. The keys named here are those of its JSON (docs/probe.md)
// and of the lines its child processes answer with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace zc::probe {

/// A member and its JSON key. Types with fields() are read and written by report_json.h.
template <class Owner, class Member>
struct Field {
  std::string_view key;
  Member Owner::* member;
};
template <class Owner, class Member>
Field(const char*, Member Owner::*) -> Field<Owner, Member>;

/// One memory layout an API reads.
struct ModifierFacts {
  std::string modifier;        ///< 64 bits in hexadecimal: "0x0300000000e08014"
  std::string name;            ///< "LINEAR", "NVIDIA_BLOCK_LINEAR_2D,HEIGHT=4,...", or "" where libdrm knows none
  bool external_only = false;  ///< EGL: only as GL_TEXTURE_EXTERNAL_OES
  unsigned planes = 0;         ///< Vulkan: memory planes; 0 where the API does not say
  bool operator==(const ModifierFacts&) const = default;
  static constexpr auto fields() {
    return std::tuple{Field{"modifier", &ModifierFacts::modifier}, Field{"name", &ModifierFacts::name},
                      Field{"external_only", &ModifierFacts::external_only}, Field{"planes", &ModifierFacts::planes}};
  }
};

struct FormatFacts {
  std::string format;  ///< as PipeWire names it: "BGRx"
  std::vector<ModifierFacts> modifiers;
  static constexpr auto fields() {
    return std::tuple{Field{"format", &FormatFacts::format}, Field{"modifiers", &FormatFacts::modifiers}};
  }
};

/// A Vulkan physical device.
struct VulkanFacts {
  std::string name;
  std::string driver;
  std::string version;  ///< of the API the device speaks: "1.3.296"
  bool software = false;
  std::string uuid;            ///< 32 hexadecimal digits
  std::string render_node;     ///< "226:128" from the driver, a path once joined; "" unknown
  std::string pci;             ///< "0000:01:00.0"; "" unknown
  std::string missing_linear;  ///< extensions that LINEAR dmabufs need and it lacks, comma-separated
  std::string missing_tiled;   ///< likewise for tiled ones
  std::string missing_export;  ///< likewise for surfaces that CUDA and OpenGL read in place
  std::vector<FormatFacts> formats;
  static constexpr auto fields() {
    return std::tuple{Field{"name", &VulkanFacts::name},
                      Field{"driver", &VulkanFacts::driver},
                      Field{"version", &VulkanFacts::version},
                      Field{"software", &VulkanFacts::software},
                      Field{"uuid", &VulkanFacts::uuid},
                      Field{"render_node", &VulkanFacts::render_node},
                      Field{"pci", &VulkanFacts::pci},
                      Field{"missing_linear", &VulkanFacts::missing_linear},
                      Field{"missing_tiled", &VulkanFacts::missing_tiled},
                      Field{"missing_export", &VulkanFacts::missing_export},
                      Field{"formats", &VulkanFacts::formats}};
  }
};

/// An EGL device (EGL_EXT_device_enumeration) with an OpenGL ES context on it.
struct EglFacts {
  std::string vendor;
  std::string version;   ///< of EGL: "1.5"
  std::string renderer;  ///< GL_RENDERER; "" when no context could be made
  std::string gles;      ///< GL_VERSION
  bool software = false;
  std::string uuid;               ///< GL_DEVICE_UUID_EXT; "" unknown
  std::string render_node;        ///< EGL_DRM_RENDER_NODE_FILE_EXT; "" unknown
  bool dmabuf_import = false;     ///< EGL_EXT_image_dma_buf_import_modifiers
  bool memory_object_fd = false;  ///< GL_EXT_memory_object_fd
  bool native_fence = false;      ///< EGL_ANDROID_native_fence_sync
  std::string reason;             ///< why there is less than expected; "" when all could be asked
  std::vector<FormatFacts> formats;
  static constexpr auto fields() {
    return std::tuple{Field{"vendor", &EglFacts::vendor},
                      Field{"version", &EglFacts::version},
                      Field{"renderer", &EglFacts::renderer},
                      Field{"gles", &EglFacts::gles},
                      Field{"software", &EglFacts::software},
                      Field{"uuid", &EglFacts::uuid},
                      Field{"render_node", &EglFacts::render_node},
                      Field{"dmabuf_import", &EglFacts::dmabuf_import},
                      Field{"memory_object_fd", &EglFacts::memory_object_fd},
                      Field{"native_fence", &EglFacts::native_fence},
                      Field{"reason", &EglFacts::reason},
                      Field{"formats", &EglFacts::formats}};
  }
};

struct CudaFacts {
  std::string name;
  std::string version;  ///< the newest CUDA the driver speaks: "12.4"
  std::string uuid;
  std::string pci;
  static constexpr auto fields() {
    return std::tuple{Field{"name", &CudaFacts::name}, Field{"version", &CudaFacts::version},
                      Field{"uuid", &CudaFacts::uuid}, Field{"pci", &CudaFacts::pci}};
  }
};

struct VaapiFacts {
  std::string render_node;
  std::string driver;                ///< the driver's own words
  std::string version;               ///< of VA-API: "1.22"
  std::vector<std::string> encodes;  ///< "h264", "hevc", "av1"
  std::vector<std::string> decodes;
  static constexpr auto fields() {
    return std::tuple{Field{"render_node", &VaapiFacts::render_node}, Field{"driver", &VaapiFacts::driver},
                      Field{"version", &VaapiFacts::version}, Field{"encodes", &VaapiFacts::encodes},
                      Field{"decodes", &VaapiFacts::decodes}};
  }
};

/// A graphics device as the kernel shows it in /sys/class/drm.
struct DrmFacts {
  std::string driver;         ///< kernel module: "i915", "nvidia"
  std::string pci;            ///< "" for a platform device
  std::string render_node;    ///< "/dev/dri/renderD128"; "" none
  std::string primary_node;   ///< "/dev/dri/card0"; "" none
  std::string render_number;  ///< "226:128"
  static constexpr auto fields() {
    return std::tuple{Field{"driver", &DrmFacts::driver}, Field{"pci", &DrmFacts::pci},
                      Field{"render_node", &DrmFacts::render_node}, Field{"primary_node", &DrmFacts::primary_node},
                      Field{"render_number", &DrmFacts::render_number}};
  }
};

/// One graphics processor: what the APIs say about it, joined.
struct GpuReport {
  std::string name;
  bool software = false;  ///< a renderer on the CPU: works, but saves nothing
  std::string uuid;
  std::string pci;
  std::string render_node;
  std::optional<DrmFacts> drm;
  std::optional<VulkanFacts> vulkan;
  std::optional<EglFacts> egl;
  std::optional<CudaFacts> cuda;
  std::optional<VaapiFacts> vaapi;
  static constexpr auto fields() {
    return std::tuple{Field{"name", &GpuReport::name},
                      Field{"software", &GpuReport::software},
                      Field{"uuid", &GpuReport::uuid},
                      Field{"pci", &GpuReport::pci},
                      Field{"render_node", &GpuReport::render_node},
                      Field{"drm", &GpuReport::drm},
                      Field{"vulkan", &GpuReport::vulkan},
                      Field{"egl", &GpuReport::egl},
                      Field{"cuda", &GpuReport::cuda},
                      Field{"vaapi", &GpuReport::vaapi}};
  }
};

/// Whether an API is there at all.
struct ApiReport {
  std::string api;     ///< "vulkan", "egl", "cuda", "vaapi"
  bool works = false;  ///< it showed a device
  std::string reason;  ///< why not
  static constexpr auto fields() {
    return std::tuple{Field{"api", &ApiReport::api}, Field{"works", &ApiReport::works},
                      Field{"reason", &ApiReport::reason}};
  }
};

/// A route with a frame of one size.
struct RouteSize {
  std::uint32_t width = 0, height = 0;
  bool works = false;
  std::string reason;
  std::uint64_t samples = 0;    ///< compared with the CPU route
  std::uint64_t different = 0;  ///< of them
  unsigned max_difference = 0;  ///< code values
  unsigned frames = 0;          ///< timed, one after another
  double median_us = 0;         ///< per frame, from import() to a surface that is ready
  static constexpr auto fields() {
    return std::tuple{Field{"width", &RouteSize::width},
                      Field{"height", &RouteSize::height},
                      Field{"works", &RouteSize::works},
                      Field{"reason", &RouteSize::reason},
                      Field{"samples", &RouteSize::samples},
                      Field{"different", &RouteSize::different},
                      Field{"max_difference", &RouteSize::max_difference},
                      Field{"frames", &RouteSize::frames},
                      Field{"median_us", &RouteSize::median_us}};
  }
};

/// A way from a captured buffer to an encoder's surface, tried with frames made here.
struct RouteReport {
  std::string route;
  std::string what;
  bool zero_copy = false;  ///< the kind of route: no CPU touches the pixels
  bool works = false;      ///< every size gave the right picture
  std::string reason;      ///< why not
  std::string device;
  bool software = false;  ///< the device is a renderer on the CPU
  std::string uuid;
  std::string source_memory;   ///< what the frames lay in: "udmabuf", "memfd", ...
  std::string modifier;        ///< their layout, by name
  std::string surface_memory;  ///< "host", "cuda", "vaapi" or "vulkan"
  std::vector<RouteSize> sizes;
  /// It saves the CPU the pixels on this machine.
  [[nodiscard]] bool saves() const { return works && zero_copy && !software; }
  static constexpr auto fields() {
    return std::tuple{Field{"route", &RouteReport::route},
                      Field{"what", &RouteReport::what},
                      Field{"zero_copy", &RouteReport::zero_copy},
                      Field{"works", &RouteReport::works},
                      Field{"reason", &RouteReport::reason},
                      Field{"device", &RouteReport::device},
                      Field{"software", &RouteReport::software},
                      Field{"uuid", &RouteReport::uuid},
                      Field{"source_memory", &RouteReport::source_memory},
                      Field{"modifier", &RouteReport::modifier},
                      Field{"surface_memory", &RouteReport::surface_memory},
                      Field{"sizes", &RouteReport::sizes}};
  }
};

struct EncoderFacts {
  std::string encoder;
  std::string codec;
  std::string backend;
  bool hardware = false;
  bool works = false;
  std::string reason;
  static constexpr auto fields() {
    return std::tuple{Field{"encoder", &EncoderFacts::encoder}, Field{"codec", &EncoderFacts::codec},
                      Field{"backend", &EncoderFacts::backend}, Field{"hardware", &EncoderFacts::hardware},
                      Field{"works", &EncoderFacts::works},     Field{"reason", &EncoderFacts::reason}};
  }
};

struct DecoderFacts {
  std::string backend;  ///< "software", "nvdec", "vaapi"
  std::string codec;
  bool works = false;
  std::string reason;
  std::string decoder;          ///< libavcodec's name
  std::uint64_t samples = 0;    ///< compared with the software decoder's
  std::uint64_t different = 0;  ///< of them
  static constexpr auto fields() {
    return std::tuple{Field{"backend", &DecoderFacts::backend},    Field{"codec", &DecoderFacts::codec},
                      Field{"works", &DecoderFacts::works},        Field{"reason", &DecoderFacts::reason},
                      Field{"decoder", &DecoderFacts::decoder},    Field{"samples", &DecoderFacts::samples},
                      Field{"different", &DecoderFacts::different}};
  }
};

/// The device the compositor composes on, as its dmabuf feedback says it.
struct CompositorFacts {
  bool reached = false;     ///< a Wayland compositor answered
  std::string device;       ///< device number of its GPU: "226:128"; "" unknown
  std::string render_node;  ///< of the same GPU
  std::string gpu;          ///< name of the joined GPU
  std::string reason;       ///< why the device is unknown
  static constexpr auto fields() {
    return std::tuple{Field{"reached", &CompositorFacts::reached}, Field{"device", &CompositorFacts::device},
                      Field{"render_node", &CompositorFacts::render_node}, Field{"gpu", &CompositorFacts::gpu},
                      Field{"reason", &CompositorFacts::reason}};
  }
};

/// Which GPU a recording of the desktop uses.
struct ChoiceFacts {
  std::string gpu;     ///< render node, or PCI address without one; "" the first that works
  std::string reason;  ///< "first", "only", "compositor", "chosen"
  static constexpr auto fields() {
    return std::tuple{Field{"gpu", &ChoiceFacts::gpu}, Field{"reason", &ChoiceFacts::reason}};
  }
};

/// A device node and what this user may do with it.
struct NodeFacts {
  std::string path;
  bool usable = false;             ///< readable and writable
  std::string owner, group, mode;  ///< "root", "render", "0660"
  static constexpr auto fields() {
    return std::tuple{Field{"path", &NodeFacts::path}, Field{"usable", &NodeFacts::usable},
                      Field{"owner", &NodeFacts::owner}, Field{"group", &NodeFacts::group},
                      Field{"mode", &NodeFacts::mode}};
  }
};

struct PermissionFacts {
  std::string user;
  std::vector<std::string> groups;
  std::vector<NodeFacts> nodes;    ///< /dev/dri/*, /dev/nvidia*, /dev/udmabuf, /dev/dma_heap/*
  std::string nvidia_drm_modeset;  ///< "Y", "N"; "" when the module is not loaded
  static constexpr auto fields() {
    return std::tuple{Field{"user", &PermissionFacts::user}, Field{"groups", &PermissionFacts::groups},
                      Field{"nodes", &PermissionFacts::nodes},
                      Field{"nvidia_drm_modeset", &PermissionFacts::nvidia_drm_modeset}};
  }
};

/// A step of the probe that did not come to its end.
struct Problem {
  std::string step;
  std::string what;  ///< "crashed with SIGSEGV", "did not end within 20 s"
  std::string log;   ///< the end of what it wrote to stdout and stderr
  static constexpr auto fields() {
    return std::tuple{Field{"step", &Problem::step}, Field{"what", &Problem::what}, Field{"log", &Problem::log}};
  }
};

struct Verdict {
  bool zero_copy = false;           ///< a route that saves the CPU the pixels works here and will be taken
  std::string route;                ///< that `record` will take
  std::string encoder;              ///< that `record` will take by default
  std::vector<std::string> why;     ///< sentences
  std::vector<std::string> advice;  ///< what to change for a better one, the most useful first
  static constexpr auto fields() {
    return std::tuple{Field{"zero_copy", &Verdict::zero_copy}, Field{"route", &Verdict::route},
                      Field{"encoder", &Verdict::encoder}, Field{"why", &Verdict::why},
                      Field{"advice", &Verdict::advice}};
  }
};

struct ProbeReport {
  std::string version;  ///< of zerocast
  std::string mode;     ///< of ZEROCOPY: "0", "1", "auto"
  Verdict verdict;
  std::vector<GpuReport> gpus;
  std::vector<ApiReport> apis;
  std::vector<RouteReport> routes;  ///< in the order they are tried
  std::vector<EncoderFacts> encoders;
  std::vector<DecoderFacts> decoders;
  CompositorFacts compositor;
  ChoiceFacts choice;
  PermissionFacts permissions;
  std::vector<Problem> problems;
  static constexpr auto fields() {
    return std::tuple{Field{"version", &ProbeReport::version},
                      Field{"mode", &ProbeReport::mode},
                      Field{"verdict", &ProbeReport::verdict},
                      Field{"gpus", &ProbeReport::gpus},
                      Field{"apis", &ProbeReport::apis},
                      Field{"routes", &ProbeReport::routes},
                      Field{"encoders", &ProbeReport::encoders},
                      Field{"decoders", &ProbeReport::decoders},
                      Field{"compositor", &ProbeReport::compositor},
                      Field{"choice", &ProbeReport::choice},
                      Field{"permissions", &ProbeReport::permissions},
                      Field{"problems", &ProbeReport::problems}};
  }
};

}  // namespace zc::probe
