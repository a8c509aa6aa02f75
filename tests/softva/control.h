// What the stand-in VA driver offers besides VA-API, to tests in its process: the faults, and the count of what lives.
#pragma once

#include <cstddef>

namespace zc::softva {

/// What can go wrong on request; README.md says what each value means.
enum class Fault : unsigned { Alloc, Export, NoModifiers, Modifier, Twice, Apart, Narrow, Lie, PutImage, Encode, Lost };
inline constexpr std::size_t kFaultCount = 11;

/// What a program made and has not given back, and how often some of it was made.
struct Counts {
  std::size_t configs = 0, contexts = 0, surfaces = 0, buffers = 0, images = 0;
  std::size_t listed = 0;   ///< surfaces made with a list of modifiers
  std::size_t exports = 0;  ///< surfaces handed out as dmabufs
  std::size_t encoded = 0;  ///< pictures coded
  bool operator==(const Counts&) const = default;
};

}  // namespace zc::softva

extern "C" {
/// Replaces the faults, in the words of SOFTVA_FAULTS (null: that variable's), restarts every count of faults and gives
/// a lost device back. False, with a line on stderr, when the text is not understood; then there are no faults.
bool softva_set_faults(const char* text);
void softva_counts(zc::softva::Counts* counts);
}
