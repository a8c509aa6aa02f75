#include "web/connection.h"

#include "base/clock.h"
#include "output/tcp_congestion.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace zc::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using Failure = beast::error_code;
using Plain = beast::tcp_stream;
using Secure = beast::ssl_stream<beast::tcp_stream>;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::chrono::seconds kPatience{10};  // for a whole request, or to take a whole answer
constexpr std::size_t kMostHeader = 8192;
constexpr std::size_t kMostBody = 4096;
constexpr std::size_t kMostText = std::size_t{64} * 1024;
/// What the kernel may hold for a viewer: more of it would be old when it arrives. Twice this is what it takes.
constexpr int kSendBuffer = 256 * 1024;

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

std::string text(beast::string_view view) { return {view.data(), view.size()}; }

Response make_response(const Request& request, Answer answer) {
  Response response(static_cast<http::status>(answer.status), request.version());
  response.set(http::field::server, "zerocast");
  response.set(http::field::cache_control, "no-store");
  response.set("Content-Security-Policy", kPolicy);
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Opener-Policy", "same-origin");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  if (!answer.cookie.empty()) response.set(http::field::set_cookie, answer.cookie);
  if (!answer.location.empty()) response.set(http::field::location, answer.location);
  if (!answer.body.empty()) response.set(http::field::content_type, answer.type);
  const bool head = request.method() == http::verb::head;
  const std::size_t size = answer.body.size();
  if (!head) response.body() = std::move(answer.body);
  response.keep_alive(request.keep_alive());
  response.prepare_payload();
  if (head) response.content_length(size);
  return response;
}

Question make_question(const Request& request, const asio::ip::tcp::socket& socket) {
  const std::string target = text(request.target());
  const std::size_t mark = target.find('?');
  Failure ignored;
  return {.method = text(request.method_string()),
          .path = target.substr(0, mark),
          .query = mark == std::string::npos ? std::string() : target.substr(mark + 1),
          .host = text(request[http::field::host]),
          .origin = text(request[http::field::origin]),
          .cookie = text(request[http::field::cookie]),
          .authorization = text(request[http::field::authorization]),
          .body = request.body(),
          .address = socket.remote_endpoint(ignored).address().to_string()};
}

/// A WebSocket and its viewer.
template <class Stream>
class ViewerConnection final : public std::enable_shared_from_this<ViewerConnection<Stream>> {
 public:
  ViewerConnection(Stream stream, Site& site, Grant grant)
      : socket_(std::move(stream)), site_(site), viewer_(std::make_shared<Viewer>(site, grant, site.next_number())) {}
  ViewerConnection(const ViewerConnection&) = delete;
  ViewerConnection& operator=(const ViewerConnection&) = delete;
  ViewerConnection(ViewerConnection&&) = delete;
  ViewerConnection& operator=(ViewerConnection&&) = delete;
  ~ViewerConnection() {
    viewer_->close();
    site_.closed();
  }

  void start(const Request& request) {
    auto& tcp = beast::get_lowest_layer(socket_);
    tcp.expires_never();
    const int handle = tcp.socket().native_handle();
    const int on = 1;
    static_cast<void>(::setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    static_cast<void>(::setsockopt(handle, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer));
    websocket::stream_base::timeout patience{};
    patience.handshake_timeout = kPatience;
    patience.idle_timeout = 3 * kPatience;
    patience.keep_alive_pings = true;
    socket_.set_option(patience);
    socket_.read_message_max(kMostText);
    socket_.auto_fragment(false);
    socket_.async_accept(request, [self = this->shared_from_this()](const Failure& failure) {
      if (failure) return;
      self->begin();
    });
  }

 private:
  void begin() {
    const std::weak_ptr<ViewerConnection> self = this->shared_from_this();
    viewer_->open(
        [self] {
          if (const auto connection = self.lock()) connection->write();
        },
        [self] {
          if (const auto connection = self.lock()) connection->hang_up();
        },
        [self] {
          const auto connection = self.lock();
          return connection ? tcp_congestion(beast::get_lowest_layer(connection->socket_).socket().native_handle())
                            : Congestion{};
        });
    read();
    write();
  }

  void read() {
    socket_.async_read(incoming_, [self = this->shared_from_this()](const Failure& failure, std::size_t) {
      if (failure) return self->finish();
      if (self->socket_.got_text()) {
        self->viewer_->receive({static_cast<const char*>(self->incoming_.data().data()), self->incoming_.size()});
      }
      self->incoming_.consume(self->incoming_.size());
      self->read();
    });
  }

  void write() {
    if (writing_) return;
    auto next = viewer_->next();
    if (!next) return;
    writing_ = true;
    outgoing_ = *std::move(next);
    // One kind of buffers for words, too: each kind is compiled whole.
    std::array<asio::const_buffer, 2> bytes;
    if (const auto* words = std::get_if<std::string>(&outgoing_)) {
      socket_.text(true);
      bytes[0] = asio::buffer(*words);
    } else {
      const Message& message = *std::get<MessagePtr>(outgoing_);
      head_ = message_head(message, monotonic_now());
      socket_.binary(true);
      bytes = {asio::buffer(head_), asio::buffer(message.bytes)};
    }
    socket_.async_write(bytes, [self = this->shared_from_this()](const Failure& failure, std::size_t) {
      self->writing_ = false;
      if (failure) return self->finish();
      self->write();
    });
  }

  void finish() { viewer_->close(); }

  void hang_up() {
    Failure ignored;
    beast::get_lowest_layer(socket_).socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  }

  websocket::stream<Stream, false> socket_;  // nothing that is sent gets smaller by zlib
  Site& site_;
  std::shared_ptr<Viewer> viewer_;
  beast::flat_buffer incoming_;
  Viewer::Outgoing outgoing_;
  MessageHead head_{};
  bool writing_ = false;
};

/// HTTP, request by request.
template <class Stream>
class HttpConnection final : public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(Stream stream, beast::flat_buffer begun, Site& site)
      : stream_(std::move(stream)), buffer_(std::move(begun)), site_(&site) {
    site_->opened();
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  HttpConnection(HttpConnection&&) = delete;
  HttpConnection& operator=(HttpConnection&&) = delete;
  ~HttpConnection() {
    if (!handed_on_) site_->closed();
  }

  void start() {
    Failure ignored;
    beast::get_lowest_layer(stream_).socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    if constexpr (std::is_same_v<Stream, Secure>) {
      beast::get_lowest_layer(stream_).expires_after(kPatience);
      stream_.async_handshake(asio::ssl::stream_base::server, buffer_.data(),
                              [self = this->shared_from_this()](const Failure& failure, std::size_t used) {
                                self->buffer_.consume(used);
                                if (!failure) self->read();
                              });
    } else {
      read();
    }
  }

 private:
  void read() {
    parser_.emplace();
    parser_->header_limit(kMostHeader);
    parser_->body_limit(kMostBody);
    beast::get_lowest_layer(stream_).expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](const Failure& failure, std::size_t) {
                       if (failure) return self->refuse(failure);
                       self->handle();
                     });
  }

  void refuse(const Failure& failure) {
    if (failure == http::error::end_of_stream) return close();
    if (failure == http::error::header_limit || failure == http::error::body_limit) {
      Request none;
      none.version(11);
      none.keep_alive(false);
      write(make_response(none, {.status = 413, .body = "That is too long.\n"}));
    }
  }

  void handle() {
    request_ = parser_->release();
    const Question question = make_question(request_, beast::get_lowest_layer(stream_).socket());
    if (websocket::is_upgrade(request_)) {
      auto grant = site_->admit(question);
      if (!grant) return write(make_response(request_, std::move(grant.error())));
      handed_on_ = true;
      std::make_shared<ViewerConnection<Stream>>(std::move(stream_), *site_, *grant)->start(request_);
      return;
    }
    // A snapshot or playlist may come late.
    beast::get_lowest_layer(stream_).expires_after(3 * kPatience);
    site_->handle(question, [self = this->shared_from_this()](Answer answer) {
      self->write(make_response(self->request_, std::move(answer)));
    });
  }

  void write(Response response) {
    response_ = std::move(response);
    beast::get_lowest_layer(stream_).expires_after(3 * kPatience);
    http::async_write(stream_, response_, [self = this->shared_from_this()](const Failure& failure, std::size_t) {
      if (failure) return;
      if (self->response_.need_eof()) return self->close();
      self->read();
    });
  }

  void close() {
    Failure ignored;
    beast::get_lowest_layer(stream_).socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }

  Stream stream_;
  beast::flat_buffer buffer_;
  Site* site_;
  std::optional<http::request_parser<http::string_body>> parser_;
  Request request_;
  Response response_;
  bool handed_on_ = false;
};

/// Tells TLS from plain HTTP by its first bytes, and leads the latter to the former.
class Doorman final : public std::enable_shared_from_this<Doorman> {
 public:
  Doorman(asio::ip::tcp::socket socket, asio::ssl::context& tls, Site& site)
      : stream_(std::move(socket)), tls_(tls), site_(site) {}

  void start() {
    stream_.expires_after(kPatience);
    beast::async_detect_ssl(stream_, buffer_, [self = shared_from_this()](const Failure& failure, bool secure) {
      if (failure) return;
      if (secure) {
        std::make_shared<HttpConnection<Secure>>(Secure(std::move(self->stream_), self->tls_), std::move(self->buffer_),
                                                 self->site_)
            ->start();
      } else {
        self->lead_to_tls();
      }
    });
  }

 private:
  void lead_to_tls() {
    parser_.header_limit(kMostHeader);
    http::async_read_header(
        stream_, buffer_, parser_, [self = shared_from_this()](const Failure& failure, std::size_t) {
          if (failure) return;
          const auto& request = self->parser_.get();
          Request none;
          none.version(11);
          none.keep_alive(false);
          self->response_ = make_response(
              none,
              {.status = 301, .location = "https://" + text(request[http::field::host]) + text(request.target())});
          http::async_write(self->stream_, self->response_, [self](const Failure&, std::size_t) {});
        });
  }

  Plain stream_;
  asio::ssl::context& tls_;
  Site& site_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  Response response_;
};

}  // namespace

void serve(asio::ip::tcp::socket socket, asio::ssl::context* tls, Site& site) {
  if (tls != nullptr) {
    std::make_shared<Doorman>(std::move(socket), *tls, site)->start();
  } else {
    std::make_shared<HttpConnection<Plain>>(Plain(std::move(socket)), beast::flat_buffer(), site)->start();
  }
}

}  // namespace zc::web
