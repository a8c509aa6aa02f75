// What encoders were found to do, remembered from one start of the program to the next.
#pragma once

#include "base/error.h"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// How a trial ended.
struct Proof {
  bool works = false;
  std::string remark;  ///< why not; or what could not be checked
  bool operator==(const Proof&) const = default;
};

/// A file of proofs, one JSON object a line, readable only by its owner and always replaced in one step. What does not
/// make sense in it is passed over and gone with the next store(): no content of the file is an error. Any thread;
/// other processes too.
///
/// A success holds as long as its key does. A refusal may have had a passing reason (too many sessions, no memory), so
/// it holds for kRefusalLife and never beyond a restart of the machine.
class ProofCache {
 public:
  static constexpr long kRefusalLifeSeconds = 600;
  static constexpr std::size_t kMostEntries = 128;  ///< the oldest go

  /// zerocast/encoders in the user's cache folder. NotFound: there is no such folder.
  [[nodiscard]] static Result<ProofCache> in_cache_home();
  explicit ProofCache(std::filesystem::path file) : file_(std::move(file)) {}

  [[nodiscard]] std::optional<Proof> find(std::string_view key) const;
  /// Errors are the system's; nothing but the next start's time depends on it.
  [[nodiscard]] Result<void> store(std::string_view key, const Proof& proof) const;
  [[nodiscard]] Result<void> forget(std::string_view key) const;
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
};

}  // namespace zc
