#include "capture/portal_request.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

namespace zc {
namespace {

constexpr const char* kRequestInterface = "org.freedesktop.portal.Request";
constexpr std::size_t kMaxResponses = 16;

/// Response codes of org.freedesktop.portal.Request.
constexpr std::uint32_t kSuccess = 0;
constexpr std::uint32_t kDeclined = 1;

int append_value(sd_bus_message* message, const PortalValue& value) {
  if (const auto* yes = std::get_if<bool>(&value)) return sd_bus_message_append(message, "v", "b", int{*yes});
  if (const auto* number = std::get_if<std::uint32_t>(&value)) return sd_bus_message_append(message, "v", "u", *number);
  return sd_bus_message_append(message, "v", "s", std::get<std::string>(value).c_str());
}

Result<PortalResults> read_response(sd_bus_message* message, const char* operation) {
  std::uint32_t code = 0;
  if (const int r = sd_bus_message_read(message, "u", &code); r <= 0) {
    return fail(ErrorKind::Internal, operation, "the desktop portal's response has no response code");
  }
  const auto refused = [&](ErrorKind kind, std::string detail) {
    return std::unexpected(Error{kind, ErrorDomain::DBus, static_cast<int>(code), operation, std::move(detail)});
  };
  if (code == kDeclined) return refused(ErrorKind::Denied, "the request was declined in the desktop's dialog");
  if (code != kSuccess) {
    return refused(ErrorKind::Lost, fmt::format("the desktop gave up on the request (response {}): its portal backend "
                                                "may have failed or the screen may be locked; see the backend's log",
                                                code));
  }
  auto results = read_portal_results(message);
  if (!results) results.error().operation = operation;
  return results;
}

}  // namespace

int append_options(sd_bus_message* message, const PortalOptions& options) {
  int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
  for (const auto& [name, value] : options) {
    if (r >= 0) r = sd_bus_message_open_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv");
    if (r >= 0) r = sd_bus_message_append(message, "s", name);
    if (r >= 0) r = append_value(message, value);
    if (r >= 0) r = sd_bus_message_close_container(message);
  }
  return r < 0 ? r : sd_bus_message_close_container(message);
}

std::string unique_token() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) {
    number = static_cast<std::uint64_t>(monotonic_now().count());
  }
  return fmt::format("zerocast_{:016x}", number);
}

Result<std::unique_ptr<PortalRequests>> PortalRequests::create(PortalBus& bus, const std::string& owner) {
  std::unique_ptr<PortalRequests> requests(new PortalRequests(bus, owner));
  requests->responses_.reserve(kMaxResponses);
  sd_bus_slot* slot = nullptr;
  // One match for all requests, made before any of them: a response cannot come too early. AddMatch itself is not
  // waited for: the bus handles our messages in order.
  const int r = sd_bus_match_signal_async(bus.get(), &slot, owner.c_str(), nullptr, kRequestInterface, "Response",
                                          &PortalRequests::on_response, nullptr, requests.get());
  if (r < 0) return fail_bus(r, "listen to the desktop portal");
  requests->match_.reset(slot);
  return requests;
}

int PortalRequests::on_response(sd_bus_message* message, void* self, sd_bus_error* /*error*/) noexcept {
  auto& responses = static_cast<PortalRequests*>(self)->responses_;
  if (responses.size() == kMaxResponses) responses.erase(responses.begin());
  responses.emplace_back(sd_bus_message_ref(message));
  return 0;
}

std::string PortalRequests::object_path(std::string_view kind, const std::string& token) const {
  const char* name = nullptr;
  std::string sender;
  if (sd_bus_get_unique_name(bus_.get(), &name) >= 0) sender = name;
  if (sender.starts_with(':')) sender.erase(0, 1);
  std::ranges::replace(sender, '.', '_');
  return fmt::format("{}/{}/{}/{}", kPortalPath, kind, sender, token);
}

MessagePtr PortalRequests::take_response(const std::string& expected, const std::string& answered) {
  const auto found = std::ranges::find_if(responses_, [&](const MessagePtr& message) {
    const char* path = sd_bus_message_get_path(message.get());
    return path != nullptr && (path == expected || path == answered);
  });
  if (found == responses_.end()) return nullptr;
  MessagePtr message = std::move(*found);
  responses_.erase(found);
  return message;
}

Result<PortalResults> PortalRequests::perform(const PortalCall& call, const std::stop_token& stop,
                                              const std::function<const Error*()>& interrupted) {
  responses_.clear();
  const std::string token = unique_token();
  const std::string expected = object_path("request", token);
  PortalOptions options = call.options;
  options.emplace_back("handle_token", token);

  sd_bus_message* raw = nullptr;
  int r = sd_bus_message_new_method_call(bus_.get(), &raw, owner_.c_str(), kPortalPath, call.interface, call.method);
  const MessagePtr message(raw);
  if (r >= 0 && !call.session.empty()) r = sd_bus_message_append(raw, "o", call.session.c_str());
  if (r >= 0 && call.parent_window) r = sd_bus_message_append(raw, "s", "");
  if (r >= 0) r = append_options(raw, options);
  if (r < 0) return fail_bus(r, call.operation);

  auto reply = bus_.call(raw, call.reply_within, stop, call.operation);
  if (!reply) {
    // The call may have arrived all the same, and its dialog may be up.
    if (reply.error().kind == ErrorKind::Cancelled || reply.error().kind == ErrorKind::Timeout) {
      bus_.call_and_forget(owner_, expected, kRequestInterface, "Close");
    }
    return std::unexpected(reply.error());
  }
  const char* handle = nullptr;
  if (sd_bus_message_read(reply->get(), "o", &handle) <= 0) {
    return fail(ErrorKind::Internal, call.operation, "the desktop portal's answer names no request");
  }
  const std::string answered = handle;

  MessagePtr response;
  const Error* interruption = nullptr;
  const auto done = [&] {
    response = take_response(expected, answered);
    interruption = response ? nullptr : interrupted();
    return response != nullptr || interruption != nullptr;
  };
  if (auto waited = bus_.run_until(done, call.result_within, stop, call.operation); !waited) {
    bus_.call_and_forget(owner_, answered, kRequestInterface, "Close");
    return std::unexpected(waited.error());
  }
  if (!response) {
    Error error = *interruption;
    error.operation = call.operation;
    return std::unexpected(std::move(error));
  }
  return read_response(response.get(), call.operation);
}

}  // namespace zc
