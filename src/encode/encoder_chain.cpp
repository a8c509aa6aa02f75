#include "encode/encoder_chain.h"

#include "base/bounded_call.h"
#include "encode/codec_context.h"
#include "encode/encoder_order.h"
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace zc {

std::optional<Nanoseconds> open_patience(const EncoderRow& row, Nanoseconds patience) {
  if (row.hardware()) return patience;
  return parked_threads() > 0 ? std::optional(std::max(patience, kOpenPatience)) : std::nullopt;
}

Error hung(const EncoderRow& row, Nanoseconds patience) {
  const double seconds = std::chrono::duration<double>(patience).count();
  const std::string_view whose = row.hardware() ? "its driver" : "FFmpeg, in which another encoder's driver hangs,";
  return fail(ErrorKind::Timeout, fmt::format("open {}", row.name),
              fmt::format("{} has not come back from a call for {:.1f} s", whose, seconds))
      .error();
}

Result<EncoderChain> EncoderChain::create(EncoderSettings settings, Nanoseconds patience) {
  if (auto ok = validate(settings); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = validate_order(settings.order); !ok) return std::unexpected(std::move(ok.error()));
  std::vector<const EncoderRow*> candidates;
  if (settings.encoder) {
    const EncoderRow* row = find_encoder_row(*settings.encoder);
    if (row == nullptr) {
      return fail(ErrorKind::Invalid, "encoder",
                  fmt::format("'{}' is not one of {}", *settings.encoder, encoder_names()));
    }
    candidates.push_back(row);
  } else {
    const Codec codec = settings.codec.value_or(Codec::H264);
    for (const EncoderRow& row : encoder_rows()) {
      if (row.codec == codec) candidates.push_back(&row);
    }
  }
  sort_encoders(candidates, settings.order, {});
  return EncoderChain(std::move(settings), std::move(candidates), patience);
}

Result<std::unique_ptr<Encoder>> EncoderChain::open_first(const VideoParameters& video) {
  next_ = 0;
  sort_encoders(candidates_, settings_.order, video);
  return open_next(video);
}

EncoderChain::Attempt EncoderChain::attempt(const EncoderRow& row, const VideoParameters& video) {
  // It may outlive the chain: what it uses is its own.
  const auto open = [&row, settings = settings_for(row, settings_), video]() -> Result<std::unique_ptr<Encoder>> {
    if (row.hardware()) {
      if (auto proven = prove_encoder(row, settings, video); !proven) return std::unexpected(std::move(proven.error()));
    }
    return open_ffmpeg_encoder(row, settings, video);
  };
  const std::optional<Nanoseconds> patience = open_patience(row, patience_);
  auto attempted = call_within(patience, [&row, gpu = video.gpu, open] {
    Attempt made{.encoder = open()};
    made.hardware_here = !made.encoder && row.hardware() && row_available(row, gpu);
    return made;
  });
  if (attempted) return *std::move(attempted);
  return {.encoder = std::unexpected(hung(row, patience.value_or(patience_))), .hardware_here = row.hardware()};
}

Result<std::unique_ptr<Encoder>> EncoderChain::open_next(const VideoParameters& video) {
  refusals_.clear();
  while (!exhausted()) {
    const EncoderRow& row = *candidates_[next_++];
    Attempt made = attempt(row, video);
    if (made.encoder) return std::move(made.encoder);
    refusals_.push_back({row.name, std::move(made.encoder.error()), made.hardware_here});
    const Error& refusal = refusals_.back().error;
    if (refusal.kind == ErrorKind::Invalid && exhausted()) return std::unexpected(refusal);
  }
  if (refusals_.empty()) return fail(ErrorKind::Unsupported, "find an encoder", "there is no other one");
  if (refusals_.size() == 1) return std::unexpected(refusals_.front().error);
  std::string reasons;
  for (const Refusal& refusal : refusals_) {
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", refusal.encoder, refusal.error.detail);
  }
  return fail(ErrorKind::Unsupported, "find an encoder", reasons);
}

void EncoderChain::set_bit_rate(std::int64_t bits_per_second) {
  if (settings_.bit_rate) settings_ = with_bit_rate(std::move(settings_), bits_per_second);
}

}  // namespace zc
