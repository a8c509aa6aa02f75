#include "session/follow_formats.h"

#include "base/log.h"

#include <memory>
#include <variant>

namespace zc {

Came Came::as(const Frame& frame) {
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  return {frame.format(), dmabuf != nullptr ? std::optional((*dmabuf)->modifier) : std::nullopt};
}

Result<void> follow_formats(FormatTable& table, const Came& came, const Error* error,
                            const std::function<Result<void>(const FormatOffer&)>& ask) {
  const Nanoseconds now = monotonic_now();
  if (came.format != PixelFormat::Unknown && error == nullptr) table.taken(came.format, came.modifier, now);
  if (came.format != PixelFormat::Unknown && error != nullptr && error->kind == ErrorKind::Unsupported) {
    if (came.modifier) {
      table.refuse(came.format, *came.modifier, error->detail, now);
    } else {
      table.not_taken(error->detail, now);
    }
  }
  const std::optional<FormatOffer> offer = table.next(now);
  if (!offer) return {};
  if (offer->nothing()) {
    return fail(ErrorKind::Lost, "go on without a copy", "the GPU has refused everything the source can give");
  }
  // Another rate is nothing to worry about.
  const auto bad_news = table.attempts() <= 2 ? spdlog::level::warn : spdlog::level::debug;
  const auto level = error == nullptr ? spdlog::level::info : bad_news;
  logger("session").log(level, "asking the source for {}: {}", describe(*offer), table.reason());
  if (const auto asked = ask(*offer); !asked) {
    logger("session").log(level, "the source does not change its format: {}", asked.error().message());
  }
  return {};
}

}  // namespace zc
