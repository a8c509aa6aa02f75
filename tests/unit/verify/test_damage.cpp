// Damaged, cut off and random files: whatever they hold, reading ends, and with a report or one line of error.
#include "output/file_sink.h"

#include "media_support.h"
#include "verify_support.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

using namespace zc;
using namespace zc::test;

namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What a recording leaves that is killed: a plain MP4, which a finished one is, has its index at the end.
std::string unfinished(const std::string& path, Container container, const Clip& clip) {
  auto sink = FileSink::create({.container = container, .target = FileOutput{path, true}});
  REQUIRE(sink);
  REQUIRE((*sink)->open(clip.stream));
  for (const Packet& packet : clip.packets) REQUIRE((*sink)->write(packet));
  REQUIRE((*sink)->flush());
  return bytes_of(path);
}

void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

Result<verify::VerifyReport> read(const std::string& path) {
  verify::VerifyOptions options;
  options.input = path;
  options.decoder = DecoderBackend::Software;
  return verify::verify_stream(options);
}

}  // namespace

TEST_CASE("a file that was cut off is read to where it ends") {
  const Clip clip = make_clip();
  const Container container = GENERATE(Container::Mkv, Container::Mp4, Container::Ts);
  CAPTURE(info(container).name);
  const TemporaryFolder folder;
  const std::string whole = unfinished(folder.file("whole"), container, clip);
  for (const double part : {0.9, 0.6, 0.3}) {
    auto length = static_cast<std::size_t>(static_cast<double>(whole.size()) * part);
    // In a fragment's pictures: libavformat opens no MP4 that ends within a 'moof'.
    if (container == Container::Mp4) length = std::min(whole.find("mdat", length), whole.rfind("mdat")) + 40;
    put(folder.file("part"), whole.substr(0, length));
    const verify::VerifyReport report = verified(folder.file("part"));
    CAPTURE(part, faults_of(report));
    CHECK(report.order.pictures > 0);
    CHECK(report.order.pictures < 40);
    CHECK(report.order.out_of_order == 0);
    CHECK(report.order.times_not_rising == 0);
  }
  // Nothing but a header.
  put(folder.file("head"), whole.substr(0, 40));
  const auto head = read(folder.file("head"));
  CHECK((!head || head->order.pictures == 0));
}

TEST_CASE("damaged bytes are survived and told") {
  struct Case {
    std::string_view encoder;
    Container container;
  };
  const Case test = GENERATE(Case{"libx264", Container::Mkv}, Case{"libx264", Container::Ts},
                             Case{"libx265", Container::Mp4}, Case{"libsvtav1", Container::Mkv});
  CAPTURE(test.encoder, info(test.container).name);
  const Clip clip = make_clip({.encoder = test.encoder, .count = 20, .size = {128, 96}});
  const TemporaryFolder folder;
  write_file(folder.file("whole"), test.container, clip);
  const std::string whole = bytes_of(folder.file("whole"));
  std::minstd_rand random(20);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same damage each time
  unsigned unsound = 0;
  constexpr unsigned kRounds = 60;
  for (unsigned round = 0; round < kRounds; ++round) {
    std::string damaged = whole;
    const unsigned hits = 1 + round % 30;
    for (unsigned hit = 0; hit < hits; ++hit) damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    if (round % 3 == 0) damaged.resize(1 + random() % damaged.size());
    if (round % 7 == 0) damaged.erase(random() % damaged.size(), random() % 200);
    put(folder.file("damaged"), damaged);
    const auto report = read(folder.file("damaged"));
    if (!report || !report->faults.empty()) ++unsound;
    if (!report) CHECK(report.error().message().find('\n') == std::string::npos);
    if (report) CHECK(report->order.pictures <= 60);
  }
  CHECK(unsound > kRounds / 3);
}

TEST_CASE("random bytes are no stream, even behind a good beginning") {
  const TemporaryFolder folder;
  std::minstd_rand random(21);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same bytes each time
  std::string noise(200'000, '\0');
  for (char& c : noise) c = static_cast<char>(random() % 256);
  put(folder.file("noise"), noise);
  CHECK_FALSE(read(folder.file("noise")));
  for (const Container container : {Container::Mkv, Container::Mp4, Container::Ts}) {
    write_file(folder.file("clip"), container, make_clip({.count = 5, .size = {128, 96}}));
    const std::string clip = bytes_of(folder.file("clip"));
    put(folder.file("mixed"), clip.substr(0, clip.size() / 2) + noise);
    const auto report = read(folder.file("mixed"));
    CAPTURE(info(container).name);
    if (report) CHECK(report->order.pictures <= 64);
  }
}
