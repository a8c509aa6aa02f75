// A recorded producer: tests/fixtures/producers/NAME.json, whose README.md describes the fields, as the test producer's
// options.
#pragma once

#include "base/error.h"
#include "support/test_producer.h"

#include <filesystem>
#include <string>

namespace zc::test {

struct ProducerFixture {
  std::string name;      ///< of the file
  std::string producer;  ///< "KWin 6.3.6"
  bool dmabufs = false;  ///< offers formats with modifiers
  bool resizes = false;  ///< a new size is negotiated on the same node
  /// Plays it: all its formats, whatever memory they are in. Its screen has the recorded size.
  ProducerOptions options;
};

/// Invalid: not JSON, a field of another type or value than the README says. Unknown fields are passed over.
[[nodiscard]] Result<ProducerFixture> read_fixture(const std::filesystem::path& file);

}  // namespace zc::test
