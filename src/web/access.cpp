#include "web/access.h"

#include "base/private_file.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace zc::web {
namespace {

constexpr std::chrono::minutes kSpan{1};
constexpr unsigned kMostFailures = 10;
constexpr std::size_t kMostAddresses = 4096;
constexpr std::size_t kSignatureBytes = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// Without the port; an IPv6 address keeps its brackets.
std::string_view host_of(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_numeric(std::string_view host) {
  return host.starts_with('[') ||
         (!host.empty() && std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; }));
}

}  // namespace

std::string_view to_string(Role role) { return role == Role::Control ? "control" : "view"; }

Result<Access> Access::open(const std::filesystem::path& key_file) {
  if (auto made = make_private_folders(key_file.parent_path()); !made) return std::unexpected(std::move(made.error()));
  const auto lock = lock_private_file(key_file);
  if (!lock) return std::unexpected(lock.error());
  Key key{};
  const auto known = read_small_file(key_file, kKeyBytes);
  if (!known) return std::unexpected(known.error());
  if (known->size() == kKeyBytes) {
    std::ranges::copy(*known, key.begin());
    return Access(key);
  }
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) {
    return fail(ErrorKind::Internal, "make a key", "there are no random numbers");
  }
  const std::string text(key.begin(), key.end());
  if (auto kept = replace_private_file(key_file, text); !kept) return std::unexpected(std::move(kept.error()));
  return Access(key);
}

std::string Access::sign(std::string_view text) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), digest.data(), &length);
  std::string out;
  for (std::size_t i = 0; i < kSignatureBytes; ++i) fmt::format_to(std::back_inserter(out), "{:02x}", digest.at(i));
  return out;
}

std::string Access::make_token(Role role, Time until) const {
  const std::string claim = fmt::format("{}{:x}", role == Role::Control ? 'c' : 'v', until.time_since_epoch().count());
  return claim + "." + sign(claim);
}

std::optional<Grant> Access::check(std::string_view token, Time now) const {
  constexpr std::size_t kLongest = 64;
  const std::size_t dot = token.find('.');
  if (token.size() > kLongest || dot == std::string_view::npos || dot < 2) return std::nullopt;
  const std::string_view claim = token.substr(0, dot);
  const std::string_view given = token.substr(dot + 1);
  const std::string wanted = sign(claim);
  if (given.size() != wanted.size() || CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) != 0) {
    return std::nullopt;
  }
  std::int64_t until = 0;
  const auto [end, error] = std::from_chars(claim.data() + 1, claim.data() + claim.size(), until, 16);
  if (error != std::errc{} || end != claim.data() + claim.size()) return std::nullopt;
  if (now.time_since_epoch().count() >= until) return std::nullopt;
  return Grant{claim.front() == 'c' ? Role::Control : Role::View, Time(std::chrono::seconds(until))};
}

bool LoginLimit::exceeded(const std::string& address, Clock::time_point now) {
  const auto found = failures_.find(address);
  if (found == failures_.end()) return false;
  if (now - found->second.since < kSpan) return found->second.count >= kMostFailures;
  failures_.erase(found);
  return false;
}

void LoginLimit::count_failure(const std::string& address, Clock::time_point now) {
  std::erase_if(failures_, [&](const auto& entry) { return now - entry.second.since >= kSpan; });
  if (failures_.size() >= kMostAddresses && !failures_.contains(address)) return;
  Failures& failures = failures_.try_emplace(address, Failures{.count = 0, .since = now}).first->second;
  ++failures.count;
}

bool is_own_request(const HostNames& own, std::string_view host, std::string_view origin) {
  const std::string name = lower(host_of(host));
  const bool known = std::ranges::find(own.names, name) != own.names.end() || (own.any_address && is_numeric(name));
  if (!known || origin.empty()) return known;
  const std::size_t separator = origin.find("://");
  return separator != std::string_view::npos && lower(origin.substr(separator + 3)) == lower(host);
}

}  // namespace zc::web
