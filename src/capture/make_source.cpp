#include "capture/make_source.h"

#include "capture/test_source.h"

namespace zc {
namespace {

Result<std::unique_ptr<Source>> make(const TestSpec& spec, const SourceOptions& /*options*/) {
  return make_test_source(spec);
}

}  // namespace

Result<std::unique_ptr<Source>> make_source(const SourceSpec& spec, const SourceOptions& options) {
  return std::visit([&](const auto& one) { return make(one, options); }, spec);
}

}  // namespace zc
