#include "encode/encoder_chain.h"

#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"

#include <fmt/format.h>

namespace zc {

Result<EncoderChain> EncoderChain::create(EncoderSettings settings) {
  if (auto ok = validate(settings); !ok) return std::unexpected(std::move(ok.error()));
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
  return EncoderChain(std::move(settings), std::move(candidates));
}

Result<std::unique_ptr<Encoder>> EncoderChain::open_first(const VideoParameters& video) {
  next_ = 0;
  return open_next(video);
}

Result<std::unique_ptr<Encoder>> EncoderChain::open_next(const VideoParameters& video) {
  refusals_.clear();
  const bool first = next_ == 0;
  while (!exhausted()) {
    const EncoderRow& row = *candidates_[next_++];
    VideoParameters wanted = video;
    wanted.in_band_headers = video.in_band_headers && (!first || !exhausted());
    auto encoder = open_ffmpeg_encoder(row, settings_, wanted);
    if (encoder) return encoder;
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

Result<std::unique_ptr<Encoder>> open_first(const EncoderSettings& settings, const VideoParameters& video) {
  auto chain = EncoderChain::create(settings);
  if (!chain) return std::unexpected(std::move(chain.error()));
  return chain->open_first(video);
}

}  // namespace zc
