#include "support/private_bus.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace zc::test {
namespace {

constexpr const char* kVariable = "DBUS_SESSION_BUS_ADDRESS";

bool can_connect(const std::filesystem::path& socket) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.native().size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, socket.c_str(), socket.native().size());
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Result<std::unique_ptr<PrivateBus>> PrivateBus::start() {
  std::string folder = (std::filesystem::temp_directory_path() / "zerocast-bus-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return fail_errno(errno, "make a temporary folder");
  std::unique_ptr<PrivateBus> bus(new PrivateBus);
  bus->folder_ = folder;
  const auto socket = bus->folder_ / "bus";
  const auto config = bus->folder_ / "bus.conf";
  std::ofstream(config) << fmt::format(
      R"(<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
)",
      socket.native());
  if (auto listens = bus->restart(); !listens) return std::unexpected(std::move(listens.error()));
  if (const char* before = std::getenv(kVariable)) bus->address_before_ = before;
  ::setenv(kVariable, ("unix:path=" + socket.native()).c_str(), 1);
  return bus;
}

Result<void> PrivateBus::restart() {
  const auto socket = folder_ / "bus";
  std::error_code ignored;
  std::filesystem::remove(socket, ignored);
  auto daemon =
      ChildProcess::start({"dbus-daemon", "--nofork", "--nosyslog", "--config-file=" + (folder_ / "bus.conf").native()},
                          folder_ / "bus.log");
  if (!daemon) return std::unexpected(daemon.error());
  daemon_ = std::move(*daemon);
  const Nanoseconds deadline = monotonic_now() + std::chrono::seconds(20);
  while (!can_connect(socket)) {
    if (!daemon_->running() || monotonic_now() > deadline) {
      return fail(ErrorKind::Timeout, "start dbus-daemon", "it does not listen");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return {};
}

PrivateBus::~PrivateBus() {
  daemon_.reset();
  if (address_before_) {
    ::setenv(kVariable, address_before_->c_str(), 1);
  } else {
    ::unsetenv(kVariable);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace zc::test
