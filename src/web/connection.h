// One browser's connection: HTTP, then a WebSocket if it asks for one.
#pragma once

#include "web/access.h"
#include "web/viewer.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace zc::web {

struct Answer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body{};
  std::string cookie{};    ///< of Set-Cookie
  std::string location{};  ///< of a redirect
};

struct Question {
  std::string method;
  std::string path;   ///< without what follows '?'
  std::string query;  ///< what follows it
  std::string host;
  std::string origin;
  std::string cookie;
  std::string authorization;
  std::string body;
  std::string address;  ///< whose it is
};

/// What a connection asks the server. `answer` may be called later, on the server's thread.
class Site : public ViewerHost {
 public:
  virtual void handle(const Question& question, std::function<void(Answer)> answer) = 0;
  /// Whether a WebSocket may be opened; else the answer.
  [[nodiscard]] virtual std::expected<Grant, Answer> admit(const Question& question) = 0;
  /// Another one each time.
  [[nodiscard]] virtual std::uint64_t next_number() = 0;
  virtual void opened() = 0;
  virtual void closed() = 0;
};

/// Takes over a socket; plain HTTP on a port with TLS is led there. Ends by itself.
void serve(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls, Site& site);

}  // namespace zc::web
