// The server that browsers call: the page, its WebSockets, snapshots.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"
#include "web/access.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc::web {

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< numeric
  std::uint16_t port = 8990;
  std::vector<std::string> hosts;        ///< further names that lead here, as of a reverse proxy
  std::string certificate;               ///< PEM; empty: one is made where TLS is needed
  std::string private_key;               ///< PEM; empty: it is in the certificate's file
  std::vector<std::string> templates;    ///< that the page offers to start
  std::filesystem::path state_folder;    ///< of key and certificate
  std::filesystem::path runtime_folder;  ///< of sockets

  [[nodiscard]] bool loopback() const;
  /// Beyond loopback always.
  [[nodiscard]] bool tls() const { return !certificate.empty() || !loopback(); }
};

/// One thread serves all; orders to the daemon have another one.
class WebServer {
 public:
  /// Binds the port. Busy: somebody else has it. Invalid: a certificate or key that is none.
  [[nodiscard]] static Result<std::unique_ptr<WebServer>> create(const ServerOptions& options);
  virtual ~WebServer() = default;
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  WebServer(WebServer&&) = delete;
  WebServer& operator=(WebServer&&) = delete;

  /// A session to be had by viewers as soon as it runs, with this as one of its sinks.
  [[nodiscard]] virtual Result<std::string> sink_for(const std::string& session) = 0;
  /// Until SIGINT, SIGTERM or SIGHUP.
  virtual void run() = 0;

 protected:
  WebServer() = default;
};

/// The key that tokens are made with.
[[nodiscard]] Result<Access> open_access(const std::filesystem::path& state_folder);
/// Where a person goes with the token.
[[nodiscard]] std::string link(const ServerOptions& options, const std::string& token);
/// SHA-256 of the certificate that a browser is shown; it is made if need be. Empty: without TLS.
[[nodiscard]] Result<std::string> shown_fingerprint(const ServerOptions& options);

}  // namespace zc::web
