// For tests in the stand-in's process: its faults and counts.
#pragma once

#include "softva/control.h"

#include <dlfcn.h>

#include <catch2/catch_test_macros.hpp>

namespace zc::test {

/// The driver libva loads, which is the same library; it is never unloaded.
template <class Function>
Function* softva_function(const char* name) {
  void* library = dlopen(ZEROCAST_SOFTVA_DRIVER, RTLD_NOW | RTLD_GLOBAL);
  REQUIRE(library != nullptr);
  auto* function = reinterpret_cast<Function*>(dlsym(library, name));
  REQUIRE(function != nullptr);
  return function;
}

/// Faults while this lives; none afterwards.
class VaFaults {
 public:
  explicit VaFaults(const char* text) { set(text); }
  VaFaults(const VaFaults&) = delete;
  VaFaults& operator=(const VaFaults&) = delete;
  ~VaFaults() { softva_function<decltype(softva_set_faults)>("softva_set_faults")(""); }
  static void set(const char* text) {
    REQUIRE(softva_function<decltype(softva_set_faults)>("softva_set_faults")(text));
  }
};

inline softva::Counts va_counts() {
  softva::Counts counts;
  softva_function<decltype(softva_counts)>("softva_counts")(&counts);
  return counts;
}

}  // namespace zc::test
