#include "gpu/render_nodes.h"

#include <algorithm>
#include <system_error>

namespace zc {

std::vector<std::string> render_nodes(const std::filesystem::path& folder) {
  std::vector<std::string> nodes;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename().string().starts_with("renderD")) nodes.push_back(at->path().string());
  }
  // renderD128 to renderD255: all of one length.
  std::ranges::sort(nodes);
  return nodes;
}

}  // namespace zc
