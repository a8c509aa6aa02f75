// Profiles, their attributes, and what each makes of a surface.
#include "softva/driver.h"

#include <algorithm>

namespace zc::softva {
namespace {

struct Pair {
  VAProfile profile;
  VAEntrypoint entrypoint;
};
constexpr std::array kPairs = {
    Pair{VAProfileNone, VAEntrypointVideoProc},
    Pair{VAProfileH264ConstrainedBaseline, VAEntrypointEncSlice},
    Pair{VAProfileH264Main, VAEntrypointEncSlice},
    Pair{VAProfileH264High, VAEntrypointEncSlice},
};
constexpr int kMaxEdge = 8192;

bool there(const Pair& pair) { return pair.profile != VAProfileNone || !fault(Fault::NoProc); }

VAStatus query_profiles(VADriverContextP /*context*/, VAProfile* list, int* count) {
  int n = 0;
  for (const Pair& pair : kPairs) {
    if (there(pair)) list[n++] = pair.profile;
  }
  *count = n;
  return VA_STATUS_SUCCESS;
}

VAStatus query_entrypoints(VADriverContextP /*context*/, VAProfile profile, VAEntrypoint* list, int* count) {
  int n = 0;
  for (const Pair& pair : kPairs) {
    if (pair.profile == profile && there(pair)) list[n++] = pair.entrypoint;
  }
  *count = n;
  return n == 0 ? VA_STATUS_ERROR_UNSUPPORTED_PROFILE : VA_STATUS_SUCCESS;
}

std::uint32_t attribute(const Pair& pair, VAConfigAttribType type) {
  const bool encodes = pair.entrypoint == VAEntrypointEncSlice;
  switch (type) {
    case VAConfigAttribRTFormat:
      return encodes ? VA_RT_FORMAT_YUV420
                     : VA_RT_FORMAT_YUV420 | VA_RT_FORMAT_YUV420_10 | VA_RT_FORMAT_RGB32 | VA_RT_FORMAT_RGB32_10;
    case VAConfigAttribRateControl: return encodes ? VA_RC_CQP | VA_RC_CBR | VA_RC_VBR : VA_ATTRIB_NOT_SUPPORTED;
    case VAConfigAttribEncPackedHeaders:
      return encodes ? VA_ENC_PACKED_HEADER_SEQUENCE | VA_ENC_PACKED_HEADER_PICTURE | VA_ENC_PACKED_HEADER_SLICE |
                           VA_ENC_PACKED_HEADER_MISC | VA_ENC_PACKED_HEADER_RAW_DATA
                     : VA_ATTRIB_NOT_SUPPORTED;
    case VAConfigAttribEncMaxRefFrames:
    case VAConfigAttribEncMaxSlices: return encodes ? 1 : VA_ATTRIB_NOT_SUPPORTED;
    case VAConfigAttribMaxPictureWidth:
    case VAConfigAttribMaxPictureHeight: return kMaxEdge;
    default: return VA_ATTRIB_NOT_SUPPORTED;
  }
}

const Pair* find(VAProfile profile, VAEntrypoint entrypoint) {
  const auto* pair = std::ranges::find_if(
      kPairs, [&](const Pair& p) { return p.profile == profile && p.entrypoint == entrypoint && there(p); });
  return pair == kPairs.end() ? nullptr : pair;
}

VAStatus get_attributes(VADriverContextP /*context*/, VAProfile profile, VAEntrypoint entrypoint,
                        VAConfigAttrib* attributes, int count) {
  const Pair* pair = find(profile, entrypoint);
  if (pair == nullptr) return VA_STATUS_ERROR_UNSUPPORTED_ENTRYPOINT;
  for (int i = 0; i < count; ++i) attributes[i].value = attribute(*pair, attributes[i].type);
  return VA_STATUS_SUCCESS;
}

VAStatus create(VADriverContextP context, VAProfile profile, VAEntrypoint entrypoint, VAConfigAttrib* attributes,
                int count, VAConfigID* id) {
  const Pair* pair = find(profile, entrypoint);
  if (pair == nullptr) return VA_STATUS_ERROR_UNSUPPORTED_ENTRYPOINT;
  for (int i = 0; i < count; ++i) {
    const std::uint32_t known = attribute(*pair, attributes[i].type);
    if (known == VA_ATTRIB_NOT_SUPPORTED || (attributes[i].value & ~known) != 0) {
      return VA_STATUS_ERROR_ATTR_NOT_SUPPORTED;
    }
  }
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  *id = driver.next_id();
  driver.configs.emplace(*id, Config{profile, entrypoint});
  zc::softva::count(&Counts::configs, 1);
  return VA_STATUS_SUCCESS;
}

VAStatus destroy(VADriverContextP context, VAConfigID id) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  if (driver.configs.erase(id) == 0) return VA_STATUS_ERROR_INVALID_CONFIG;
  zc::softva::count(&Counts::configs, -1);
  return VA_STATUS_SUCCESS;
}

VAStatus query_config(VADriverContextP context, VAConfigID id, VAProfile* profile, VAEntrypoint* entrypoint,
                      VAConfigAttrib* attributes, int* count) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto found = driver.configs.find(id);
  if (found == driver.configs.end()) return VA_STATUS_ERROR_INVALID_CONFIG;
  *profile = found->second.profile;
  *entrypoint = found->second.entrypoint;
  attributes[0] = {VAConfigAttribRTFormat, attribute({*profile, *entrypoint}, VAConfigAttribRTFormat)};
  *count = 1;
  return VA_STATUS_SUCCESS;
}

VASurfaceAttrib integer(VASurfaceAttribType type, std::uint32_t flags, int value) {
  VASurfaceAttrib attribute{};
  attribute.type = type;
  attribute.flags = flags;
  attribute.value.type = VAGenericValueTypeInteger;
  attribute.value.value.i = value;
  return attribute;
}

VAStatus query_surface_attributes(VADriverContextP context, VAConfigID id, VASurfaceAttrib* list, unsigned int* count) {
  Driver& driver = driver_of(context);
  const std::lock_guard lock(driver.mutex);
  const auto found = driver.configs.find(id);
  if (found == driver.configs.end()) return VA_STATUS_ERROR_INVALID_CONFIG;
  std::vector<VASurfaceAttrib> all;
  const bool encodes = found->second.entrypoint == VAEntrypointEncSlice;
  for (const Format& format : formats()) {
    if (encodes && format.fourcc != VA_FOURCC_NV12) continue;
    all.push_back(integer(VASurfaceAttribPixelFormat, VA_SURFACE_ATTRIB_GETTABLE | VA_SURFACE_ATTRIB_SETTABLE,
                          static_cast<int>(format.fourcc)));
  }
  all.push_back(integer(VASurfaceAttribMinWidth, VA_SURFACE_ATTRIB_GETTABLE, 16));
  all.push_back(integer(VASurfaceAttribMinHeight, VA_SURFACE_ATTRIB_GETTABLE, 16));
  all.push_back(integer(VASurfaceAttribMaxWidth, VA_SURFACE_ATTRIB_GETTABLE, kMaxEdge));
  all.push_back(integer(VASurfaceAttribMaxHeight, VA_SURFACE_ATTRIB_GETTABLE, kMaxEdge));
  all.push_back(integer(
      VASurfaceAttribMemoryType, VA_SURFACE_ATTRIB_GETTABLE | VA_SURFACE_ATTRIB_SETTABLE,
      VA_SURFACE_ATTRIB_MEM_TYPE_VA | VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME | VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2));
  const unsigned room = *count;
  *count = static_cast<unsigned>(all.size());
  if (list == nullptr) return VA_STATUS_SUCCESS;
  if (room < all.size()) return VA_STATUS_ERROR_MAX_NUM_EXCEEDED;
  std::ranges::copy(all, list);
  return VA_STATUS_SUCCESS;
}

}  // namespace

void fill_config(VADriverVTable& table) {
  table.vaQueryConfigProfiles = query_profiles;
  table.vaQueryConfigEntrypoints = query_entrypoints;
  table.vaGetConfigAttributes = get_attributes;
  table.vaCreateConfig = create;
  table.vaDestroyConfig = destroy;
  table.vaQueryConfigAttributes = query_config;
  table.vaQuerySurfaceAttributes = query_surface_attributes;
}

}  // namespace zc::softva
