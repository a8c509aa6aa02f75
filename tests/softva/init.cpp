// How libva finds the driver, and what no picture needs but libva asks for.
#include "softva/driver.h"

#include <cstdio>

namespace zc::softva {

Driver::~Driver() {
  const std::size_t left = configs.size() + contexts.size() + surfaces.size() + buffers.size() + images.size();
  if (left != 0) {
    std::fprintf(stderr, "softva: not given back: %zu configs, %zu contexts, %zu surfaces, %zu buffers, %zu images\n",
                 configs.size(), contexts.size(), surfaces.size(), buffers.size(), images.size());
  }
  const auto gone = [](std::size_t Counts::* member, std::size_t number) { count(member, -static_cast<int>(number)); };
  gone(&Counts::configs, configs.size());
  gone(&Counts::contexts, contexts.size());
  gone(&Counts::surfaces, surfaces.size());
  gone(&Counts::buffers, buffers.size());
  gone(&Counts::images, images.size());
  for (const auto& [id, surface] : surfaces) {
    if (surface->imported) count(&Counts::imported, -1);
  }
}

namespace {

VAStatus terminate(VADriverContextP context) {
  delete &driver_of(context);
  context->pDriverData = nullptr;
  return VA_STATUS_SUCCESS;
}

template <class Function>
struct Refusal;
template <class... Arguments>
struct Refusal<VAStatus (*)(Arguments...)> {
  static VAStatus answer(Arguments... /*unused*/) { return VA_STATUS_ERROR_UNIMPLEMENTED; }
};
template <class Function>
void refuse(Function& entry) {
  entry = &Refusal<Function>::answer;
}

VAStatus no_subpictures(VADriverContextP /*context*/, VAImageFormat* /*list*/, unsigned int* /*flags*/,
                        unsigned int* number) {
  *number = 0;
  return VA_STATUS_SUCCESS;
}

VAStatus no_display_attributes(VADriverContextP /*context*/, VADisplayAttribute* /*list*/, int* number) {
  *number = 0;
  return VA_STATUS_SUCCESS;
}

}  // namespace
}  // namespace zc::softva

using namespace zc::softva;

// libva asks for its own minor version first and takes any older one: this one is of 1.14, the first with every entry
// that is used here.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): libva's name
extern "C" __attribute__((visibility("default"))) VAStatus __vaDriverInit_1_14(VADriverContextP context);
extern "C" VAStatus __vaDriverInit_1_14(VADriverContextP context) {
  // NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
  if (!init_faults() || lost()) return VA_STATUS_ERROR_OPERATION_FAILED;
  context->pDriverData = new Driver;
  context->version_major = 1;
  context->version_minor = 14;
  context->max_profiles = 8;
  context->max_entrypoints = 4;
  context->max_attributes = 16;
  context->max_image_formats = static_cast<int>(formats().size());
  context->max_subpic_formats = 1;
  context->max_display_attributes = 1;
  context->str_vendor = "softva, a stand-in for tests";
  VADriverVTable& table = *context->vtable;
  table.vaTerminate = terminate;
  fill_config(table);
  fill_surface(table);
  fill_buffer(table);
  fill_image(table);
  fill_picture(table, *context->vtable_vpp);
  table.vaQuerySubpictureFormats = no_subpictures;
  table.vaQueryDisplayAttributes = no_display_attributes;
  refuse(table.vaQuerySurfaceError);
  refuse(table.vaPutSurface);
  refuse(table.vaCreateSubpicture);
  refuse(table.vaDestroySubpicture);
  refuse(table.vaSetSubpictureImage);
  refuse(table.vaSetSubpictureChromakey);
  refuse(table.vaSetSubpictureGlobalAlpha);
  refuse(table.vaAssociateSubpicture);
  refuse(table.vaDeassociateSubpicture);
  refuse(table.vaGetDisplayAttributes);
  refuse(table.vaSetDisplayAttributes);
  refuse(table.vaBufferInfo);
  refuse(table.vaLockSurface);
  refuse(table.vaUnlockSurface);
  return VA_STATUS_SUCCESS;
}
