// Profiles, their attributes, and what each makes of a surface.
#include "softva/driver.h"

#include <algorithm>
#include <cstdlib>

namespace zc::softva {
namespace {

constexpr std::array kProfiles = {VAProfileH264ConstrainedBaseline, VAProfileH264Main, VAProfileH264High};
constexpr int kMaxEdge = 8192;

/// Some cards have the low-power one alone.
VAEntrypoint entrypoint() {
  return std::getenv("SOFTVA_LOW_POWER") == nullptr ? VAEntrypointEncSlice : VAEntrypointEncSliceLP;
}

bool known(VAProfile profile) { return std::ranges::find(kProfiles, profile) != kProfiles.end(); }

VAStatus query_profiles(VADriverContextP /*context*/, VAProfile* list, int* count) {
  std::ranges::copy(kProfiles, list);
  *count = static_cast<int>(kProfiles.size());
  return VA_STATUS_SUCCESS;
}

VAStatus query_entrypoints(VADriverContextP /*context*/, VAProfile profile, VAEntrypoint* list, int* count) {
  *count = known(profile) ? 1 : 0;
  if (!known(profile)) return VA_STATUS_ERROR_UNSUPPORTED_PROFILE;
  *list = entrypoint();
  return VA_STATUS_SUCCESS;
}

std::uint32_t attribute(VAConfigAttribType type) {
  switch (type) {
    case VAConfigAttribRTFormat: return VA_RT_FORMAT_YUV420;
    case VAConfigAttribRateControl: return VA_RC_CQP | VA_RC_CBR | VA_RC_VBR;
    case VAConfigAttribEncPackedHeaders:
      return VA_ENC_PACKED_HEADER_SEQUENCE | VA_ENC_PACKED_HEADER_PICTURE | VA_ENC_PACKED_HEADER_SLICE |
             VA_ENC_PACKED_HEADER_MISC | VA_ENC_PACKED_HEADER_RAW_DATA;
    case VAConfigAttribEncMaxRefFrames:
    case VAConfigAttribEncMaxSlices: return 1;
    case VAConfigAttribMaxPictureWidth:
    case VAConfigAttribMaxPictureHeight: return kMaxEdge;
    default: return VA_ATTRIB_NOT_SUPPORTED;
  }
}

bool encodes(VAProfile profile, VAEntrypoint wanted) { return known(profile) && wanted == entrypoint(); }

VAStatus get_attributes(VADriverContextP /*context*/, VAProfile profile, VAEntrypoint entrypoint,
                        VAConfigAttrib* attributes, int count) {
  if (!encodes(profile, entrypoint)) return VA_STATUS_ERROR_UNSUPPORTED_ENTRYPOINT;
  for (int i = 0; i < count; ++i) attributes[i].value = attribute(attributes[i].type);
  return VA_STATUS_SUCCESS;
}

VAStatus create(VADriverContextP context, VAProfile profile, VAEntrypoint entrypoint, VAConfigAttrib* attributes,
                int count, VAConfigID* id) {
  if (!encodes(profile, entrypoint)) return VA_STATUS_ERROR_UNSUPPORTED_ENTRYPOINT;
  for (int i = 0; i < count; ++i) {
    const std::uint32_t allowed = attribute(attributes[i].type);
    if (allowed == VA_ATTRIB_NOT_SUPPORTED || (attributes[i].value & ~allowed) != 0) {
      return VA_STATUS_ERROR_ATTR_NOT_SUPPORTED;
    }
  }
  const Locked driver(context);
  *id = driver->add(driver->configs, &Counts::configs, profile);
  return VA_STATUS_SUCCESS;
}

VAStatus destroy(VADriverContextP context, VAConfigID id) {
  const Locked driver(context);
  return Driver::remove(driver->configs, &Counts::configs, id) ? VA_STATUS_SUCCESS : VA_STATUS_ERROR_INVALID_CONFIG;
}

VAStatus query_surface_attributes(VADriverContextP /*context*/, VAConfigID /*id*/, VASurfaceAttrib* list,
                                  unsigned int* count) {
  std::vector<VASurfaceAttrib> all;
  const auto add = [&](VASurfaceAttribType type, int value) {
    VASurfaceAttrib attribute{};
    attribute.type = type;
    attribute.flags = VA_SURFACE_ATTRIB_GETTABLE;
    attribute.value.type = VAGenericValueTypeInteger;
    attribute.value.value.i = value;
    all.push_back(attribute);
  };
  add(VASurfaceAttribPixelFormat, VA_FOURCC_NV12);
  add(VASurfaceAttribMinWidth, 16);
  add(VASurfaceAttribMinHeight, 16);
  add(VASurfaceAttribMaxWidth, kMaxEdge);
  add(VASurfaceAttribMaxHeight, kMaxEdge);
  const unsigned room = std::exchange(*count, static_cast<unsigned>(all.size()));
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
  table.vaQuerySurfaceAttributes = query_surface_attributes;
}

}  // namespace zc::softva
