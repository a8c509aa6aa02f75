#include "session/encoder_choice.h"

#include "base/log.h"

#include <fmt/format.h>

#include <utility>

namespace zc {

Result<std::unique_ptr<Encoder>> EncoderChoice::open(const VideoParameters& video) {
  auto chain = EncoderChain::create(settings_, patience_);
  if (!chain) return std::unexpected(std::move(chain.error()));
  chain_.emplace(std::move(*chain));
  const bool goes_on = !encoder_.empty();
  if (goes_on) {
    video_.device = video.device;
  } else {
    video_ = video;
  }
  if (const auto changed = bit_rate()) chain_->set_bit_rate(*changed);
  if (const auto changed = rate()) video_.rate = *changed;
  auto encoder = EncodeStage::open_encoder(*chain_, video_);
  if (!encoder) return encoder;
  note_choice(**encoder);
  if (goes_on) {
    stream_.extradata = (*encoder)->stream().extradata;
  } else {
    stream_ = (*encoder)->stream();
  }
  return encoder;
}

void EncoderChoice::release() {
  chain_.reset();
  video_.device.reset();
}

Result<void> EncoderChoice::set_bitrate(std::int64_t bits_per_second) {
  if (!settings_.bit_rate) {
    return fail(ErrorKind::Unsupported, "set the bit rate", "the recording runs at constant quality");
  }
  if (auto ok = validate(with_bit_rate(settings_, bits_per_second)); !ok) return ok;
  bit_rate_now_.store(bits_per_second);
  return {};
}

void EncoderChoice::set_rate(Rational rate) { rate_now_.store(std::uint64_t{rate.num} << 32U | rate.den); }

std::optional<std::int64_t> EncoderChoice::bit_rate() const {
  const std::int64_t now = bit_rate_now_.load();
  return now == 0 ? std::nullopt : std::optional(now);
}

std::optional<Rational> EncoderChoice::rate() const {
  const std::uint64_t now = rate_now_.load();
  if (now == 0) return std::nullopt;
  return Rational{static_cast<std::uint32_t>(now >> 32U), static_cast<std::uint32_t>(now)};
}

void EncoderChoice::note_choice(const Encoder& encoder) {
  const auto add = [](std::string& list, const EncoderChain::Refusal& refusal) {
    list += fmt::format("{}{} ({})", list.empty() ? "not " : ", ", refusal.encoder, refusal.error.detail);
  };
  std::string refused;
  std::string usable;  // on this machine, with other settings or another driver
  for (const EncoderChain::Refusal& refusal : chain_->refusals()) {
    add(refused, refusal);
    const bool to_the_cpu = refusal.hardware_here && !encoder.hardware();
    if (to_the_cpu || refusal.error.kind == ErrorKind::Invalid) add(usable, refusal);
    passed_over_.push_back({std::string(refusal.encoder), refusal.error.message()});
  }
  encoder_ = encoder.name();
  logger("session").info("encoder: {}{}{}", encoder_, refused.empty() ? "" : "; ", refused);
  // A machine without the hardware is no news.
  if (!usable.empty()) logger("session").warn("{} encodes: {}", encoder.hardware() ? encoder_ : "the CPU", usable);
}

Result<std::unique_ptr<Encoder>> EncoderChoice::next(std::string_view failed, const Error& why) {
  if (const auto changed = bit_rate()) chain_->set_bit_rate(*changed);
  if (const auto changed = rate()) video_.rate = *changed;
  auto encoder = chain_->open_next(video_);
  if (!encoder) {
    return fail(ErrorKind::Lost, fmt::format("encode with {}", failed),
                fmt::format("{}; no other encoder takes over: {}", why.detail, encoder.error().detail));
  }
  logger("session").warn("{} failed ({}): {} takes over", failed, why.detail, (*encoder)->name());
  failed_.emplace_back(failed);
  note_choice(**encoder);
  return encoder;
}

void EncoderChoice::reopened(const Encoder& encoder) {
  // Outputs that take other parameter sets find them in the keyframe; where one does not, they are the same, or the
  // size is another: that goes into a further file.
  stream_.extradata = encoder.stream().extradata;
  stream_.size = video_.size = encoder.stream().size;
}

}  // namespace zc
