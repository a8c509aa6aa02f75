#include "capture/hand_shake.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace zc {

void HandShake::begin(bool we_choose, std::optional<Size> size) {
  *this = {};
  only_size_ = size;
  we_choose_ = we_choose;
}

void HandShake::set_offer(FormatOffer offer) {
  wanted_ = std::move(offer);
  count_anew();
  narrow();
}

void HandShake::narrow() {
  answered_.reset();
  offer_ = wanted_;
  if (only_size_) offer_.size = only_size_;
  for (const auto& [format, modifiers] : left_out_) offer_.drop(format, modifiers);
  if (no_dmabufs_) offer_.drop_dmabufs();
  for (const FormatOffer::Entry& entry : offer_.formats) {
    for (const std::uint64_t modifier : entry.modifiers) offered_.emplace(entry.format, modifier);
  }
}

HandShake::Turn HandShake::leave_out(PixelFormat format, std::vector<std::uint64_t> modifiers) {
  // A producer that fails with one format may have ten more to fail with.
  no_dmabufs_ = !left_out_.empty();
  left_out_.emplace_back(format, std::move(modifiers));
  count_anew();
  narrow();
  return offer_.nothing() ? Turn::Over : Turn::Offer;
}

HandShake::Turn HandShake::on_format(const NegotiatedFormat& format) {
  ++formats_seen_;
  if (format.size != size_) count_anew();
  size_ = format.size;
  dmabuf_ = format.dmabuf();
  open_ = format.needs_fixation();
  proven_ = false;
  went_round_ = !std::exchange(first_, false);
  if (!dmabuf_) return Turn::Settled;
  const bool answered = open_ && answered_ == format;
  if (answered && ++under_way_ <= kMostUnderWay) return Turn::Theirs;
  const bool endless = ++formats_ > kMostFormats;
  if (open_) {
    if (!answered && ++rounds_ <= kMostRounds && !endless) {
      if (!we_choose_) return Turn::Theirs;
      answered_ = format;
      under_way_ = 0;
      return Turn::Ours;
    }
    reason_ = fmt::format("the producer fixates no modifier that {} is offered with ({:#x})", name(format.format),
                          fmt::join(format.alternatives, ", "));
    return leave_out(format.format, format.alternatives);
  }
  rounds_ = under_way_ = 0;
  answered_.reset();
  if (offered_.contains({format.format, *format.modifier})) {
    if (!endless) return Turn::Settled;
    reason_ = fmt::format("the producer takes modifier {:#x} of {} back again and again", *format.modifier,
                          name(format.format));
    return leave_out(format.format, {*format.modifier});
  }
  reason_ = fmt::format("the producer fixates modifier {:#x} of {}, which it was not offered", *format.modifier,
                        name(format.format));
  const auto entry = std::ranges::find(offer_.formats, format.format, &FormatOffer::Entry::format);
  return leave_out(format.format, entry == offer_.formats.end() ? std::vector<std::uint64_t>{} : entry->modifiers);
}

bool HandShake::on_error(std::string_view message, bool buffers) {
  if (proven_ || !buffers || !dmabuf_) return false;
  count_anew();
  answered_.reset();
  if (open_ && !we_choose_) {
    reason_ = fmt::format("the producer chooses no modifier ({}), so this side does", message);
    we_choose_ = true;
    return true;
  }
  if (!open_ && timelines()) {
    reason_ =
        fmt::format("the producer has no buffers with explicit synchronisation ({}), so it is asked for none", message);
    no_timelines_ = true;
    return true;
  }
  if (!offer_.shared_memory || !offer_.has_dmabufs()) return false;
  reason_ = fmt::format("the producer has no dmabufs that fit ({})", message);
  no_dmabufs_ = true;
  narrow();
  return true;
}

}  // namespace zc
