#pragma once

#include "base/unique_fd.h"
#include "output/hls_stream.h"
#include "output/output_spec.h"
#include "output/sink.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace zc {

/// An HLS stream as files in a folder, which any web server can serve: each appears when it is whole, and goes when no
/// player can want it any more. What an earlier stream left there is removed, and its numbers are gone on with, so that
/// a player that is still there takes over and no cache gives what was.
class HlsSink final : public Sink, private HlsStore {
 public:
  /// Makes the folder if it is missing, and takes it. Invalid: it is none, or holds playlists of others. Busy: another
  /// stream goes there. Denied: it cannot be written.
  [[nodiscard]] static Result<std::unique_ptr<HlsSink>> create(const HlsOutput& output);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> open(const StreamParameters& stream) override;
  [[nodiscard]] Result<void> write(const Packet& packet) override;
  [[nodiscard]] Result<void> close() override;
  [[nodiscard]] bool take_keyframe_wish() override { return stream_ && stream_->take_keyframe_wish(); }
  [[nodiscard]] std::optional<Nanoseconds> longest_gap() const override;
  /// Nothing here waits for anybody.
  void interrupt() noexcept override {}

 private:
  HlsSink(HlsOutput output, UniqueFd folder);
  /// Removes what an earlier stream left.
  [[nodiscard]] Result<HlsStream::Start> take_over();
  [[nodiscard]] Result<void> put(const std::string& name, std::span<const std::byte> bytes) override;
  void remove(const std::string& name) noexcept override;
  [[nodiscard]] Result<void> announce(const hls::Window& window, const hls::Variant& variant) override;
  [[nodiscard]] Result<void> put_text(std::string_view name, const std::string& text);

  const HlsOutput output_;
  const std::string name_;
  UniqueFd folder_;  ///< locked
  HlsStream::Start start_;
  std::optional<HlsStream> stream_;
  std::string index_;  ///< as it was written last
};

}  // namespace zc
