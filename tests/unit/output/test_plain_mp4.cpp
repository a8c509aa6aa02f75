// A finished MP4 is a plain one, whatever it was while it was written, and there is no moment at which it does not
// play.
#include "output/file_sink.h"
#include "output/mp4_index.h"

#include "media_support.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace zc;
using namespace zc::test;
using Catch::Matchers::WithinAbs;
using mp4::box_type;
namespace fs = std::filesystem;

namespace {

struct Write {
  std::uint64_t at;
  std::vector<std::byte> bytes;
};

/// Remembers every write in its order.
class LoggedStream final : public ByteStream {
 public:
  explicit LoggedStream(bool seekable) : seekable_(seekable) {}

  Result<void> write(std::span<const std::byte> bytes) override {
    writes.push_back({position_, {bytes.begin(), bytes.end()}});
    position_ += bytes.size();
    size_ = std::max(size_, position_);
    return {};
  }
  [[nodiscard]] bool seekable() const override { return seekable_; }
  Result<void> seek(std::uint64_t offset) override {
    if (!seekable_) return ByteStream::seek(offset);
    position_ = offset;
    return {};
  }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Result<void> keep() override {
    kept = writes.size();
    return {};
  }
  /// As if so much had been written.
  void resize(std::uint64_t size) { size_ = size; }

  std::vector<Write> writes;
  std::size_t kept = 0;  ///< writes that keep() came after

 private:
  bool seekable_;
  std::uint64_t position_ = 0;
  std::uint64_t size_ = 0;
};

/// What a process leaves that is killed after `whole` writes and so many bytes of the next one.
void leave(const std::string& path, const std::vector<Write>& writes, std::size_t whole, std::size_t bytes = 0) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).flush();
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](const Write& write, std::size_t size) {
    file.seekp(static_cast<std::streamoff>(write.at));
    file.write(reinterpret_cast<const char*>(write.bytes.data()), static_cast<std::streamsize>(size));
  };
  for (std::size_t i = 0; i < whole; ++i) put(writes.at(i), writes.at(i).bytes.size());
  if (bytes > 0) put(writes.at(whole), bytes);
}

void record(const std::string& path, const TestStream& stream) {
  auto sink = FileSink::create({.container = Container::Mp4, .target = FileOutput{.path = path}});
  REQUIRE(sink);
  REQUIRE((*sink)->open(stream.parameters));
  for (const Packet& packet : stream.packets) REQUIRE((*sink)->write(packet));
  REQUIRE((*sink)->close());
}

std::unique_ptr<Muxer> mux(const TestStream& stream, ByteStream& out) {
  auto muxer = Muxer::create(Container::Mp4, stream.parameters, out);
  REQUIRE(muxer);
  for (const Packet& packet : stream.packets) REQUIRE((*muxer)->write(packet));
  REQUIRE((*muxer)->drain());
  return std::move(*muxer);
}

/// The packets of `a` and `b` are the same, but for a shift of all times.
void check_same_packets(const ReadMedia& a, const ReadMedia& b) {
  REQUIRE(a.error.empty());
  REQUIRE(b.error.empty());
  REQUIRE(a.packets.size() == b.packets.size());
  const std::int64_t shift = b.packets.front().pts - a.packets.front().pts;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < a.packets.size(); ++i) {
    const ReadPacket& x = a.packets[i];
    const ReadPacket& y = b.packets[i];
    if (x.pts + shift != y.pts || x.dts + shift != y.dts || x.keyframe != y.keyframe || x.bytes != y.bytes ||
        x.hash != y.hash) {
      ++wrong;
    }
  }
  CHECK(wrong == 0);
  CHECK(a.decode_errors == 0);
  CHECK(b.decode_errors == 0);
  CHECK(a.frame_pts.size() == b.frame_pts.size());
}

std::int64_t uneven_pts(unsigned n) { return std::int64_t{n} * 1500 + (n % 7) * 131; }

/// The box at the end of this way, in what was written.
mp4::Box box_in(std::span<const std::byte> boxes, std::initializer_list<mp4::BoxType> way) {
  mp4::Box box;
  for (const mp4::BoxType type : way) {
    box = mp4::find_box(boxes, type);
    REQUIRE(box.type == type);
    boxes = box.body;
  }
  return box;
}

constexpr std::initializer_list<mp4::BoxType> kChunkOffsets{box_type("moov"), box_type("trak"), box_type("mdia"),
                                                            box_type("minf"), box_type("stbl"), box_type("co64")};

}  // namespace

TEST_CASE("a finished MP4 has one index and no fragments, and its packets are those of the fragments") {
  struct Case {
    Codec codec;
    bool b_frames;
  };
  const Case test =
      GENERATE(Case{Codec::H264, false}, Case{Codec::H264, true}, Case{Codec::HEVC, true}, Case{Codec::AV1, false});
  CAPTURE(to_string(test.codec), test.b_frames);
  const TestStream stream =
      make_stream({.codec = test.codec, .frames = 150, .gop = 50, .b_frames = test.b_frames, .pts = uneven_pts});
  const TemporaryFolder dir;
  LoggedStream pipe(false);
  REQUIRE(mux(stream, pipe)->finish());
  leave(dir.file("pipe.mp4"), pipe.writes, pipe.writes.size());
  CHECK(top_level_boxes(dir.file("pipe.mp4")).starts_with("ftyp moov moof mdat moof mdat"));
  record(dir.file("plain.mp4"), stream);
  CHECK(top_level_boxes(dir.file("plain.mp4")) == "ftyp mdat moov");
  const ReadMedia plain = read_media(dir.file("plain.mp4"));
  check_same_packets(read_media(dir.file("pipe.mp4")), plain);
  REQUIRE(plain.packets.size() == stream.packets.size());
  for (std::size_t i = 0; i < plain.packets.size(); ++i) {
    CHECK(plain.packets[i].pts == stream.packets[i].pts);
    CHECK(plain.packets[i].dts - plain.packets[0].dts == stream.packets[i].dts - stream.packets[0].dts);
  }
  CHECK_THAT(plain.duration, WithinAbs(2.5, 0.05));
  CHECK(plain.has_extradata);
  CHECK(plain.matrix == 1);  // ITU-T H.273: BT.709
  std::vector<std::int64_t> keyframes;
  for (const ReadPacket& packet : plain.packets) {
    if (packet.keyframe) keyframes.push_back(packet.dts);
  }
  CHECK(keyframes.size() == 3);
  CHECK(seek_points(dir.file("plain.mp4")) == keyframes);
}

TEST_CASE("an MP4 that is killed at any step of its end plays to the last picture") {
  const bool b_frames = GENERATE(false, true);
  CAPTURE(b_frames);
  const TestStream stream = make_stream({.frames = 90, .b_frames = b_frames, .pts = uneven_pts});
  const TemporaryFolder dir;
  const std::string path = dir.file("killed.mp4");
  LoggedStream out(true);
  const auto muxer = mux(stream, out);
  const std::size_t drained = out.writes.size();
  REQUIRE(muxer->finish());
  REQUIRE(out.writes.size() >= drained + 2);

  // What is overwritten is a few bytes of the file's beginning, once, and when everything else is on the medium: the
  // kernel does not end a process in the middle of them.
  CHECK(out.writes.back().at == 0);
  CHECK(out.writes.back().bytes.size() <= 64);
  CHECK(out.kept == out.writes.size() - 1);
  std::uint64_t end = 0;
  for (std::size_t i = 0; i + 1 < out.writes.size(); ++i) {
    CHECK(out.writes[i].at == end);
    end += out.writes[i].bytes.size();
  }

  std::size_t before = 0;
  for (std::size_t whole = 1; whole <= out.writes.size(); ++whole) {
    // The index at any byte; a fragment in its media data, since a torn 'moof' is more than libavformat bears.
    std::vector<std::size_t> cuts{0};
    if (whole + 1 < out.writes.size()) {
      const std::size_t size = out.writes[whole].bytes.size();
      cuts.insert(cuts.end(), {size / 2, size - 1});
      if (whole >= drained) cuts.insert(cuts.end(), {1, 4, 7, 8, 9, 15, 16, 17, 100, 200, 300, 400, 500, 600, 700});
      std::erase_if(cuts, [&](std::size_t cut) { return cut >= size; });
    }
    for (const std::size_t cut : cuts) {
      leave(path, out.writes, whole, cut);
      const ReadMedia media = read_media(path);
      CAPTURE(whole, cut, out.writes.size());
      if (whole == 1 && media.frame_pts.empty()) continue;  // nothing but the header
      CHECK(media.error.empty());
      CHECK(media.decode_errors <= (whole < drained ? 1U : 0U));  // the picture that was torn
      CHECK(media.frame_pts.size() >= before);
      if (whole >= drained) CHECK(media.frame_pts.size() == stream.packets.size());
      if (cut == 0) before = media.frame_pts.size();
    }
  }
  CHECK(top_level_boxes(path) == "ftyp mdat moov");
}

TEST_CASE("an MP4 whose index has no room stays in fragments, with a warning") {
  const TestStream stream = make_stream({.frames = 120});
  const TemporaryFolder dir;
  record(dir.file("whole.mp4"), stream);
  const auto bytes = static_cast<rlim_t>(fs::file_size(dir.file("whole.mp4")));
  for (const rlim_t missing : {1U, 40U, 400U}) {
    CAPTURE(missing);
    const std::string path = dir.file("full.mp4");
    const std::string log = dir.file("log");
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(SIGXFSZ, SIG_IGN);
      // Both are written to: the log's file is shorter than the limit.
      if (std::freopen(log.c_str(), "w", stdout) == nullptr || ::dup2(STDOUT_FILENO, STDERR_FILENO) < 0) ::_exit(2);
      const rlimit most{bytes - missing, bytes - missing};
      if (::setrlimit(RLIMIT_FSIZE, &most) != 0) ::_exit(3);
      auto sink = FileSink::create({.container = Container::Mp4, .target = FileOutput{.path = path}});
      Result<void> result = (*sink)->open(stream.parameters);
      for (const Packet& packet : stream.packets) {
        if (result) result = (*sink)->write(packet);
      }
      if (result) result = (*sink)->close();
      std::fflush(nullptr);
      ::_exit(result ? 0 : 1);
    }
    REQUIRE(child > 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(dir.read("log").find("full.mp4 stays in fragments") != std::string::npos);
    const std::string boxes = top_level_boxes(path);
    CHECK(boxes.starts_with("ftyp moov moof mdat"));
    CHECK(boxes.ends_with("moof mdat"));
    const ReadMedia media = read_media(path);
    CHECK(media.frame_pts.size() == 120);
    CHECK(media.decode_errors == 0);
    fs::remove(path);
  }
}

TEST_CASE("a plain MP4 may be longer than 32 bits of time or size") {
  // Pictures that nothing follows for hours.
  const TestStream short_stream = make_stream({.frames = 4});
  constexpr std::int64_t kApart = 2'000'000'000;
  const TemporaryFolder dir;
  LoggedStream out(true);
  auto muxer = Muxer::create(Container::Mp4, short_stream.parameters, out);
  REQUIRE(muxer);
  std::int64_t time = 0;
  for (Packet packet : short_stream.packets) {
    packet.pts = packet.dts = std::exchange(time, time + kApart);
    REQUIRE((*muxer)->write(packet));
    REQUIRE((*muxer)->flush());
  }
  REQUIRE((*muxer)->finish());
  leave(dir.file("long.mp4"), out.writes, out.writes.size());
  CHECK(top_level_boxes(dir.file("long.mp4")) == "ftyp mdat moov");
  const ReadMedia media = read_media(dir.file("long.mp4"));
  REQUIRE(media.packets.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(media.packets[i].pts == kApart * static_cast<std::int64_t>(i));
  CHECK_THAT(media.duration, WithinAbs(3.0 * kApart / kPacketClock, 0.1));

  // 5 GiB of something else before the fragments.
  LoggedStream fragments(false);
  static_cast<void>(mux(short_stream, fragments));
  REQUIRE(fragments.writes.size() == 3);  // 'ftyp', 'moov' and one fragment
  Mp4Index index;
  std::uint64_t position = 0;
  const auto add = [&](std::span<const std::byte> bytes) {
    index.add(position, bytes);
    position += bytes.size();
  };
  for (std::size_t i = 0; i < 2; ++i) add(fragments.writes[i].bytes);
  constexpr std::uint64_t kGap = std::uint64_t{5} << 30U;
  const std::vector<std::byte> zeros(std::size_t{64} << 20U);
  std::vector<std::byte> header(16);
  header[3] = std::byte{1};
  std::ranges::copy(std::as_bytes(std::span("free", 4)), header.begin() + 4);
  header[11] = static_cast<std::byte>(kGap >> 32U);
  header[12] = static_cast<std::byte>(kGap >> 24U & 0xffU);
  add(header);
  for (std::uint64_t left = kGap - header.size(); left > 0;) {
    const auto part = std::min<std::uint64_t>(left, zeros.size());
    add(std::span(zeros).first(static_cast<std::size_t>(part)));
    left -= part;
  }
  const std::uint64_t moof = position;
  for (const std::byte& one : fragments.writes.back().bytes) add({&one, 1});  // in any portions
  LoggedStream sparse(true);
  sparse.resize(position);
  const auto plain = index.make_plain(sparse);
  CAPTURE(plain ? std::string() : plain.error().message());
  REQUIRE(plain);
  REQUIRE(sparse.writes.size() == 2);
  mp4::BoxReader offsets(box_in(sparse.writes.front().bytes, kChunkOffsets).body);
  CHECK(offsets.number(4) == 0);
  CHECK(offsets.number(4) == 1);
  const std::uint64_t first = offsets.number(8);
  CHECK(first > moof);
  CHECK(first < position);
  mp4::BoxReader head(sparse.writes.back().bytes);
  const auto ftyp = head.box();
  REQUIRE(ftyp);
  CHECK(head.number(4) == 1);
  CHECK(head.number(4) == box_type("mdat"));
  CHECK(head.number(8) == position - ftyp->whole.size());
}

TEST_CASE("a table that is larger than one write is whole") {
  // The sizes and times of 300,000 pictures take 3.6 MB.
  const TestStream stream = make_stream({.frames = 2});
  LoggedStream out(true);
  auto muxer = Muxer::create(Container::Mp4, stream.parameters, out);
  REQUIRE(muxer);
  constexpr std::int64_t kPictures = 300'000;
  Packet picture = stream.packets.at(1);
  for (std::int64_t i = 0; i < kPictures; ++i) {
    Packet packet = i == 0 ? stream.packets.at(0) : picture;
    packet.pts = packet.dts = i * 1500 + i % 2;
    REQUIRE((*muxer)->write(packet));
  }
  REQUIRE((*muxer)->finish());
  const TemporaryFolder dir;
  leave(dir.file("large.mp4"), out.writes, out.writes.size());
  CHECK(top_level_boxes(dir.file("large.mp4")) == "ftyp mdat moov");
  const auto large = [](const Write& write) { return write.bytes.size() >= std::size_t{1} << 20U; };
  CHECK(std::ranges::count_if(out.writes, large) >= 3);
  const auto points = read_media(dir.file("large.mp4"), {.options = {}, .format = {}, .max_packets = 1000});
  REQUIRE(points.packets.size() == 1000);
  CHECK(points.packets.back().pts == 999 * 1500 + 1);
  CHECK_THAT(points.duration, WithinAbs(5000, 0.01));
  CHECK(points.packets.back().hash == points.packets.at(1).hash);
}

TEST_CASE("what is no fragmented MP4 is left as it is") {
  const TestStream stream = make_stream({.frames = 60});
  LoggedStream fragments(false);
  static_cast<void>(mux(stream, fragments));
  REQUIRE(fragments.writes.size() > 3);
  const auto refused = [&](auto feed) {
    Mp4Index index;
    feed(index);
    LoggedStream out(true);
    out.resize(fragments.size());
    const auto plain = index.make_plain(out);
    CHECK(out.writes.empty());
    return !plain && plain.error().kind == ErrorKind::Internal;
  };
  CHECK(refused([](Mp4Index&) {}));
  CHECK(refused([&](Mp4Index& index) {  // its last fragment is missing
    const std::span all(fragments.writes);
    for (const Write& write : all.first(all.size() - 1)) index.add(write.at, write.bytes);
  }));
  CHECK(refused([&](Mp4Index& index) {  // out of order
    for (const Write& write : fragments.writes) index.add(write.at, write.bytes);
    index.add(0, fragments.writes.front().bytes);
  }));
}
