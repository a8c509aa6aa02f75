#include "encode/encoder_chain.h"

#include "encode/encoder_order.h"
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"

#include <fmt/format.h>

#include <utility>

namespace zc {

Result<EncoderChain> EncoderChain::create(EncoderSettings settings, EncoderProofs proofs) {
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
  return EncoderChain(std::move(settings), std::move(candidates), std::move(proofs));
}

Result<std::unique_ptr<Encoder>> EncoderChain::open_first(const VideoParameters& video) {
  next_ = 0;
  opened_ = nullptr;
  sort_encoders(candidates_, settings_.order, video);
  return open_next(video);
}

Result<std::unique_ptr<Encoder>> EncoderChain::open(const EncoderRow& row, const VideoParameters& video) {
  const auto proven = proofs_.check(row, settings_, video);
  if (!proven) return std::unexpected(proven.error());
  auto encoder = open_ffmpeg_encoder(row, settings_, video);
  if (encoder || !proven->remembered) return encoder;
  // What was true when it was written down is not any more.
  proofs_.forget(row, settings_, video);
  return encoder;
}

Result<std::unique_ptr<Encoder>> EncoderChain::open_next(const VideoParameters& video) {
  refusals_.clear();
  if (opened_ != nullptr) proofs_.forget(*std::exchange(opened_, nullptr), settings_, video);
  while (!exhausted()) {
    const EncoderRow& row = *candidates_[next_++];
    auto encoder = open(row, video);
    if (encoder) {
      opened_ = &row;
      return encoder;
    }
    refusals_.push_back({row.name, std::move(encoder.error())});
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

Result<std::unique_ptr<Encoder>> open_first(const EncoderSettings& settings, const VideoParameters& video) {
  auto chain = EncoderChain::create(settings);
  if (!chain) return std::unexpected(std::move(chain.error()));
  return chain->open_first(video);
}

}  // namespace zc
