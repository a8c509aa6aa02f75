#include "zerocopy/gl/gl_fence.h"

#include <algorithm>

namespace zc {
namespace {

constexpr const char* kWhat = "wait for the GPU";

}  // namespace

GlFence::~GlFence() {
  if (pending() && device_->make_current()) drop();
}

void GlFence::drop() {
  device_->gl().DeleteSync(sync_);
  sync_ = nullptr;
}

Result<void> GlFence::wait(Nanoseconds timeout, Nanoseconds spin) {
  if (auto settled = settle(timeout); !settled) return settled;
  sync_ = device_->gl().FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
  if (sync_ == nullptr) {
    if (auto fine = check_gl(device_->gl(), kWhat); !fine) return fine;
    return fail(ErrorKind::Lost, kWhat, "the driver makes no fence");
  }
  if (spin > Nanoseconds{}) return await(timeout, spin);
  const GlFunctions& gl = device_->gl();
  gl.Flush();
  const bool slept = sleep_.sleep(timeout);
  const bool over = gl.ClientWaitSync(sync_, 0, 0) != GL_TIMEOUT_EXPIRED;
  auto done = await(timeout, {});
  if (done) sleep_.over(slept && over);
  return done;
}

Result<void> GlFence::await(Nanoseconds timeout, Nanoseconds spin) {
  const GlFunctions& gl = device_->gl();
  GLenum status = GL_TIMEOUT_EXPIRED;
  if (spin > Nanoseconds{}) {
    const Nanoseconds until = monotonic_now() + std::min(spin, timeout);
    do {
      status = gl.ClientWaitSync(sync_, GL_SYNC_FLUSH_COMMANDS_BIT, 0);
    } while (status == GL_TIMEOUT_EXPIRED && monotonic_now() < until);
  }
  if (status == GL_TIMEOUT_EXPIRED) {
    status = gl.ClientWaitSync(sync_, GL_SYNC_FLUSH_COMMANDS_BIT,
                               static_cast<GLuint64>(std::max<std::int64_t>(0, timeout.count())));
  }
  if (status == GL_TIMEOUT_EXPIRED) return fail(ErrorKind::Timeout, kWhat, "it is not done in time");
  drop();
  // A context that was lost signals its fences too (KHR_robustness), and says so here.
  if (auto fine = check_gl(gl, kWhat); !fine) return fine;
  if (status == GL_WAIT_FAILED) return fail(ErrorKind::Lost, kWhat, "the driver does not wait");
  return {};
}

}  // namespace zc
