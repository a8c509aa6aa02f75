// Where coded pictures go, behind one interface.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/packet.h"
#include "output/congestion.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// One file or network peer. One thread (its SinkRunner's) makes every call; open() and write() may block on the
/// medium and give up within a bounded time, or at once when the runner interrupts them.
class Sink {
 public:
  virtual ~Sink() = default;
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  Sink(Sink&&) = delete;
  Sink& operator=(Sink&&) = delete;

  /// For messages: the path, or the URL without its passphrase.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Writes the header or connects. Unsupported: the container cannot hold this codec.
  [[nodiscard]] virtual Result<void> open(const StreamParameters& stream) = 0;
  /// A packet with `new_stream` is a keyframe: the sink goes on with it as its container can.
  /// NoSpace: the medium is full, everything up to the last flushed fragment is kept. Lost: the peer is gone.
  [[nodiscard]] virtual Result<void> write(const Packet& packet) = 0;
  /// Writes out what the sink still holds back, so that it survives the process; the runner calls it when no packet has
  /// come for a while. Errors as write().
  [[nodiscard]] virtual Result<void> flush() { return {}; }
  /// Finishes what was opened so that any player opens it; idempotent, called after errors too.
  [[nodiscard]] virtual Result<void> close() = 0;
  /// Paths of the files that followed the one named, in order; to be asked once closed.
  [[nodiscard]] virtual std::vector<std::string> further_files() const { return {}; }
  /// Whether a keyframe is waited for, since the last call.
  [[nodiscard]] virtual bool take_keyframe_wish() { return false; }
  /// Whether somebody has to take what is written, and may not.
  [[nodiscard]] virtual bool has_reader() const { return false; }
  /// How many peers a sink that waits for them serves now; nullopt: it waits for none. Any thread.
  [[nodiscard]] virtual std::optional<std::size_t> viewers() const { return std::nullopt; }
  /// How each peer that is there keeps up, as far as its connection tells; what backs up before write() is seen without
  /// it. nullopt: nothing can be told of such a sink, ever (a file, UDP). Any thread.
  [[nodiscard]] virtual std::optional<std::vector<Congestion>> congestion() const { return std::nullopt; }
  /// How far apart pictures may be for it, of a screen that stands still, too. nullopt: as they come. Any thread.
  [[nodiscard]] virtual std::optional<Nanoseconds> longest_gap() const { return std::nullopt; }
  /// Any thread may call it, at any time: every wait for a peer or reader, running or to come, gives up
  /// at once (Cancelled). There is no way back.
  virtual void interrupt() noexcept = 0;
};

}  // namespace zc
