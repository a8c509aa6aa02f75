#include "base/install_paths.h"

#include <fmt/format.h>

#include <unistd.h>

#include <array>
#include <system_error>

namespace zc {

InstalledProgram zerocast_program() { return {"zerocast", ZEROCAST_BIN_DIR}; }
InstalledProgram daemon_program() { return {"zerocast-daemon", ZEROCAST_LIBEXEC_DIR}; }

Result<std::string> find_program(const InstalledProgram& other, const InstalledProgram& self,
                                 const std::filesystem::path& own_folder) {
  const std::array folders{own_folder, (own_folder / other.folder.lexically_relative(self.folder)).lexically_normal(),
                           other.folder};
  std::error_code error;
  for (const std::filesystem::path& folder : folders) {
    std::string program = folder / other.name;
    if (std::filesystem::is_regular_file(program, error) && ::access(program.c_str(), X_OK) == 0) return program;
  }
  return fail(ErrorKind::NotFound, fmt::format("find {}", other.name),
              fmt::format("it is not in {}, {} or {}", folders[0].string(), folders[1].string(), folders[2].string()));
}

Result<std::string> find_program(const InstalledProgram& other, const InstalledProgram& self) {
  std::error_code error;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(ErrorKind::Internal, fmt::format("find {}", other.name), error.message());
  return find_program(other, self, own.parent_path());
}

}  // namespace zc
