#include "capture/output_stream.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace zc {
namespace {

/// A GPU's buffer takes the compositor a moment to look at.
constexpr Nanoseconds kBufferPatience = std::chrono::seconds(2);
constexpr Nanoseconds kFirstRetry = std::chrono::milliseconds(20);
constexpr Nanoseconds kLongestRetry = std::chrono::milliseconds(500);
/// So many failures of dmabufs, and shared memory is tried.
constexpr int kMostDmabufFailures = 3;

Nanoseconds period(Rational rate) {
  if (rate.zero()) return {};
  return Nanoseconds(std::int64_t{1'000'000'000} * rate.den / rate.num);
}

}  // namespace

OutputStream::OutputStream(WaylandClient& client, std::unique_ptr<OutputCapture> capture, FormatOffer offer,
                           Rational rate, std::shared_ptr<const UniqueFd> wake, std::string what)
    : client_(client),
      capture_(std::move(capture)),
      offer_(std::move(offer)),
      rate_(rate),
      wake_(std::move(wake)),
      what_(std::move(what)) {}

Result<void> OutputStream::agree(Nanoseconds deadline) {
  Result<void> agreed;
  const auto told = client_.wait(deadline, [&] {
    const Nanoseconds now = monotonic_now();
    if (const auto result = capture_->result(); result && !*result) failed(result->error(), now);
    if (retry_ && now >= *retry_) {
      retry_.reset();
      capture_->again();
    }
    const CaptureConstraints* wanted = capture_->wants();
    if (wanted == nullptr) return false;
    agreed = prepare(*wanted);
    return true;
  });
  if (told || told.error().kind != ErrorKind::Timeout) return told ? agreed : told;
  return fail(ErrorKind::Timeout, "capture " + what_, "the compositor gives no picture of it: is it switched off?");
}

Result<void> OutputStream::prepare(const CaptureConstraints& constraints) {
  if (buffers_ && constraints == agreed_on_) return {};
  while (true) {
    auto format = choose_capture_format(constraints, offer_);
    if (!format) return std::unexpected(std::move(format.error()));
    const bool dmabuf = !format->modifiers.empty();
    if (!buffers_ || buffers_->format() != *format) {
      const std::string text = fmt::format("{}x{} {}{}", format->size.width, format->size.height, name(format->format),
                                           dmabuf ? ", dmabuf" : "");
      buffers_.reset();
      auto made = CaptureBuffers::create(client_, *std::move(format), constraints.device, wake_);
      // The first shows whether the GPU and the compositor get along.
      auto first = made ? made->take(monotonic_now() + kBufferPatience)
                        : Result<CaptureBuffers::Buffer*>(std::unexpected(made.error()));
      if (!first && dmabuf) {
        logger("capture").info("no dmabufs of {}: {}", what_, first.error().message());
        offer_.drop_dmabufs();
        continue;
      }
      if (!first) return std::unexpected(std::move(first.error()));
      buffers_.emplace(*std::move(made));
      changed_ = true;
      logger("capture").info("{}: {}", what_, text);
    }
    agreed_on_ = constraints;
    return {};
  }
}

void OutputStream::failed(OutputCapture::Failure failure, Nanoseconds now) {
  ++failures_;
  const bool dmabuf = buffers_ && !buffers_->format().modifiers.empty();
  if (failure == OutputCapture::Failure::Buffer) agreed_on_ = {};
  if (dmabuf && failures_ >= kMostDmabufFailures) {
    logger("capture").info("the compositor cannot copy {} into dmabufs", what_);
    offer_.drop_dmabufs();
    agreed_on_ = {};
  }
  changed_ = true;
  retry_ = now + std::min(kFirstRetry * (1 << std::min(failures_ - 1, 5)), kLongestRetry);
}

Result<std::optional<OutputStream::Shot>> OutputStream::step(Nanoseconds now) {
  std::optional<Shot> shot;
  if (auto result = capture_->result()) {
    CaptureBuffers::Buffer* const buffer = std::exchange(asked_, nullptr);
    if (*result && buffer != nullptr) {
      failures_ = 0;
      if (std::exchange(changed_, false)) (*result)->damage = Damage::all();
      buffers_->renewed(*buffer, (*result)->damage);
      pace(now);
      capture_->again();
      // Not asked for the next one yet: this buffer is to be lent first.
      return Shot{*buffer, *std::move(*result), buffers_->spare() - 1};
    }
    const auto failure = *result ? OutputCapture::Failure::Again : result->error();
    if (failure == OutputCapture::Failure::Ended) {
      return fail(ErrorKind::Lost, "capture " + what_, "it has gone away");
    }
    failed(failure, now);
  }
  if (retry_ && now >= *retry_) {
    retry_.reset();
    capture_->again();
  }
  if (auto asked = ask(now); !asked) return std::unexpected(std::move(asked.error()));
  return shot;
}

Result<void> OutputStream::ask(Nanoseconds now) {
  if (retry_ || now < next_) return {};
  const CaptureConstraints* wanted = capture_->wants();
  if (wanted == nullptr) return {};
  if (auto prepared = prepare(*wanted); !prepared) return prepared;
  auto buffer = buffers_->take(now + kBufferPatience);
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  if (*buffer == nullptr) return {};  // the lease that dies next wakes us
  asked_ = *buffer;
  capture_->capture(*asked_->proxy, buffers_->format().size, asked_->stale);
  return {};
}

/// The output's own beat is kept: a picture that is due within half of it is taken now. On the whole there are no more
/// than are wanted.
void OutputStream::pace(Nanoseconds now) {
  const Nanoseconds wanted = period(offer_.max_rate);
  const Nanoseconds beat = period(rate_);
  if (wanted <= beat) return;
  next_ += wanted;
  if (next_ <= now) next_ = now + wanted - beat / 2;
}

std::optional<Nanoseconds> OutputStream::due() const {
  if (retry_) return retry_;
  if (capture_->wants() != nullptr && next_ > monotonic_now()) return next_;
  return std::nullopt;
}

}  // namespace zc
