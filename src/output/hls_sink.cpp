#include "output/hls_sink.h"

#include "output/hls_playlist.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>

namespace zc {
namespace {

constexpr mode_t kFileMode = 0666;  // the user's umask decides
constexpr mode_t kFolderMode = 0777;
constexpr std::size_t kMostPlaylist = std::size_t{256} << 10U;  // bytes of one that is read back

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

/// "seg-12.3.m4s" is 12.
std::optional<std::uint64_t> number_in(std::string_view name, std::string_view before, std::string_view after) {
  if (!name.starts_with(before) || !name.ends_with(after)) return std::nullopt;
  name.remove_prefix(before.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const std::string_view rest(end, static_cast<std::size_t>(name.data() + name.size() - end));
  const bool whole = rest == after ||
                     (rest.starts_with('.') && rest.find_first_not_of(".0123456789") + after.size() - 1 == rest.size());
  return error == std::errc{} && whole ? std::optional(number) : std::nullopt;
}

/// The beginning of a file; nullopt: there is none.
Result<std::optional<std::string>> read_file(int folder, std::string_view name, const std::string& operation) {
  const UniqueFd fd(::openat(folder, std::string(name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::optional<std::string>();
  if (!fd) return fail_errno(errno, operation);
  std::string text(kMostPlaylist, '\0');
  const ssize_t got = ::read(fd.get(), text.data(), text.size());
  if (got < 0) return fail_errno(errno, operation);
  text.resize(static_cast<std::size_t>(got));
  return std::optional(std::move(text));
}

/// Discontinuities up to its end.
std::uint64_t discontinuities_of(std::string_view playlist) {
  constexpr std::string_view kSequence = "#EXT-X-DISCONTINUITY-SEQUENCE:";
  constexpr std::string_view kOne = "#EXT-X-DISCONTINUITY\n";
  std::uint64_t count = 0;
  if (const auto at = playlist.find(kSequence); at != std::string_view::npos) {
    std::from_chars(playlist.data() + at + kSequence.size(), playlist.data() + playlist.size(), count);
  }
  for (auto at = playlist.find(kOne); at != std::string_view::npos; at = playlist.find(kOne, at + 1)) ++count;
  return count;
}

Result<UniqueFd> open_folder(const std::string& path) {
  const std::string operation = "write to " + path;
  if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    if (errno == ENOENT) return fail(ErrorKind::NotFound, operation, "the folder above it does not exist");
    return fail_errno(errno, operation);
  }
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == ENOTDIR) return fail(ErrorKind::Invalid, operation, "it is a file, not a folder");
  if (!folder) return fail_errno(errno, operation);
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(ErrorKind::Busy, operation, "another stream goes there");
    return fail_errno(errno, operation);
  }
  // Only by trying: root may everything, and not everywhere.
  constexpr const char* kTrial = ".zerocast.new";
  const UniqueFd trial(::openat(folder.get(), kTrial, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!trial) return fail_errno(errno, operation);
  ::unlinkat(folder.get(), kTrial, 0);
  return folder;
}

}  // namespace

HlsSink::HlsSink(HlsOutput output, UniqueFd folder)
    : output_(std::move(output)), name_("hls://" + output_.path), folder_(std::move(folder)) {}

Result<std::unique_ptr<HlsSink>> HlsSink::create(const HlsOutput& output) {
  auto folder = open_folder(output.path);
  if (!folder) return std::unexpected(std::move(folder.error()));
  std::unique_ptr<HlsSink> sink(new HlsSink(output, *std::move(folder)));
  auto start = sink->take_over();
  if (!start) return std::unexpected(std::move(start.error()));
  sink->start_ = *start;
  return sink;
}

Result<HlsStream::Start> HlsSink::take_over() {
  const std::string operation = "write to " + output_.path;
  HlsStream::Start start;
  for (const std::string_view name : {hls::kIndexName, hls::kMediaName}) {
    auto text = read_file(folder_.get(), name, operation);
    if (!text) return std::unexpected(std::move(text.error()));
    if (!*text) continue;
    if (!(*text)->contains(hls::kSignature)) {
      return fail(ErrorKind::Invalid, operation,
                  fmt::format("it has {} of another program; take another folder", name));
    }
    start.continues = true;
    if (name == hls::kMediaName) start.discontinuities = discontinuities_of(**text);
  }
  UniqueFd copy(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, CloseFolder> all(copy ? ::fdopendir(copy.get()) : nullptr);
  if (!all) return fail_errno(errno, operation);
  static_cast<void>(copy.release());  // the stream of entries has it now
  std::vector<std::string> old;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of entries is this call's own
  while (const dirent* entry = ::readdir(all.get())) {
    const auto segment = number_in(entry->d_name, "seg-", ".m4s");
    const auto header = number_in(entry->d_name, "init-", ".mp4");
    if (segment) start.segment = std::max(start.segment, *segment + 1);
    if (header) start.header = std::max(start.header, *header + 1);
    if (segment || header) old.emplace_back(entry->d_name);
  }
  if (start.continues) {
    for (const std::string_view name : {hls::kIndexName, hls::kMediaName}) old.emplace_back(name);
    for (const std::string& name : old) remove(name);
  }
  return start;
}

Result<void> HlsSink::open(const StreamParameters& stream) {
  if (auto ok = check_codec(Container::Hls, stream.codec); !ok) return ok;
  stream_.emplace(output_.timing, static_cast<HlsStore&>(*this), start_);
  return stream_->begin(stream);
}

Result<void> HlsSink::write(const Packet& packet) {
  if (!stream_) return fail(ErrorKind::Internal, "write " + name_, "not open");
  if (packet.new_stream) {
    if (auto begun = stream_->begin(*packet.new_stream); !begun) return begun;
  }
  return stream_->push(wire_packet(packet));
}

Result<void> HlsSink::close() {
  if (!stream_) return {};
  auto ended = stream_->end();
  stream_.reset();
  return ended;
}

std::optional<Nanoseconds> HlsSink::longest_gap() const { return hls::longest_gap(output_.timing); }

Result<void> HlsSink::put(const std::string& name, std::span<const std::byte> bytes) {
  const std::string operation = fmt::format("write {}/{}", output_.path, name);
  const std::string partial = "." + name + ".new";
  const UniqueFd fd(
      ::openat(folder_.get(), partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd) return fail_errno(errno, operation);
  int failed = 0;
  while (!bytes.empty() && failed == 0) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) failed = written == 0 ? EIO : errno;
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (failed == 0 && ::renameat(folder_.get(), partial.c_str(), folder_.get(), name.c_str()) != 0) failed = errno;
  if (failed == 0) return {};
  ::unlinkat(folder_.get(), partial.c_str(), 0);
  return fail_errno(failed, operation);
}

void HlsSink::remove(const std::string& name) noexcept { ::unlinkat(folder_.get(), name.c_str(), 0); }

Result<void> HlsSink::put_text(std::string_view name, const std::string& text) {
  return put(std::string(name), std::as_bytes(std::span(text)));
}

Result<void> HlsSink::announce(const hls::Window& window, const hls::Variant& variant) {
  if (auto put = put_text(hls::kMediaName, hls::media_playlist(window, {})); !put) return put;
  std::string index = hls::multivariant_playlist(variant, {});
  if (index == index_) return {};
  auto put = put_text(hls::kIndexName, index);
  if (put) index_ = std::move(index);
  return put;
}

}  // namespace zc
