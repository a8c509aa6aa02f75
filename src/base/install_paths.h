// Where the programs of one installation find each other.
#pragma once

#include "base/error.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace zc {

/// A program of ours, and the folder that this build is to be installed to.
struct InstalledProgram {
  std::string_view name;
  std::filesystem::path folder;
};
[[nodiscard]] InstalledProgram zerocast_program();
[[nodiscard]] InstalledProgram daemon_program();

/// The other program, seen from this one, which runs from `own_folder`: beside it, as in a build tree; else as far from
/// it as the two folders of the installation are from each other, so that an installation may be moved; else in its own
/// folder. NotFound names all of them.
[[nodiscard]] Result<std::string> find_program(const InstalledProgram& other, const InstalledProgram& self,
                                               const std::filesystem::path& own_folder);
/// Seen from the running program.
[[nodiscard]] Result<std::string> find_program(const InstalledProgram& other, const InstalledProgram& self);

}  // namespace zc
