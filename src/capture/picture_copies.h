#pragma once

#include "media/buffer_lease.h"
#include "media/frame.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace zc {

/// Copies of a producer's pictures, for one that writes into its buffers again whoever still reads them. PipeWire's
/// plugins for cameras do: a node that is no stream gets a buffer back with its next picture (tee_process() in
/// src/pipewire/impl-port.c), so that a picture holds as many intervals as there are buffers, less one. One thread
/// copies; leases die on any.
class PictureCopies {
 public:
  /// Few are read at a time: the one that is being converted, those that wait, and a layer's.
  static constexpr std::size_t kMost = 16;

  /// Puts a copy in the place of a picture in host memory and gives the producer's buffer back; frames of other memory
  /// stay as they are. False: all copies are being read, and the frame is as it was.
  [[nodiscard]] bool take_over(Frame& frame);

 private:
  struct Slot {
    std::vector<std::byte> bytes;  ///< keeps its memory
    std::atomic<bool> lent = false;
  };
  std::array<std::shared_ptr<Slot>, kMost> slots_;  ///< made when they are needed
};

}  // namespace zc
