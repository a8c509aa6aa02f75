// What the stand-in VA driver offers besides VA-API, to tests in its process: the faults, and the count of what lives.
#pragma once

#include <cstddef>

namespace zc::softva {

/// What can go wrong on request; README.md says what each value means.
enum class Fault : unsigned { NoProc, Alloc, Import, Export, Proc, Sync, Colour, GetImage, PutImage, Encode, Lost };
inline constexpr std::size_t kFaultCount = 11;

/// What a program made and has not given back, and how often some of it was made.
struct Counts {
  std::size_t configs = 0;
  std::size_t contexts = 0;
  std::size_t surfaces = 0;  ///< imported ones included
  std::size_t buffers = 0;
  std::size_t images = 0;
  std::size_t imported = 0;       ///< surfaces alive in memory of somebody else
  std::size_t imports = 0;        ///< surfaces made in such memory, ever
  std::size_t processed = 0;      ///< pictures that the video processor was given
  std::size_t encoded = 0;        ///< pictures coded
  std::size_t encoded_there = 0;  ///< of these, in imported memory as it was
  bool operator==(const Counts&) const = default;
};

}  // namespace zc::softva

extern "C" {
/// Replaces the faults, in the words of SOFTVA_FAULTS (null: that variable's), restarts every count of faults and gives
/// a lost device back. False, with a line on stderr, when the text is not understood; then there are no faults.
bool softva_set_faults(const char* text);
void softva_counts(zc::softva::Counts* counts);
}
