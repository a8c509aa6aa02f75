// What parameter sets say of the pictures' order, and what they promise by their level.
#include "encode/reordering.h"

#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/in_band_headers.h"
#include "encode/levels.h"
#include "encode/parameter_sets.h"
#include "encode_support.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
}

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

using Bytes = std::vector<std::byte>;

/// A parameter set bit by bit, by the tables of ITU-T H.264 and H.265.
class Writer {
 public:
  explicit Writer(std::initializer_list<unsigned> head) {
    for (const unsigned byte : head) u(8, byte);
  }
  Writer& u(unsigned count, std::uint64_t value) {
    while (count-- > 0) bits_.push_back((value >> count & 1U) != 0);
    return *this;
  }
  Writer& ue(unsigned value) {
    unsigned length = 0;
    while (((value + 1) >> (length + 1)) != 0) ++length;
    return u(2 * length + 1, value + 1);
  }
  /// With a start code, the bit at its end, and emulation prevention.
  [[nodiscard]] Bytes unit() const {
    std::vector<bool> bits = bits_;
    bits.push_back(true);
    while (bits.size() % 8 != 0) bits.push_back(false);
    Bytes bytes{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}};
    unsigned zeros = 0;
    for (std::size_t i = 0; i < bits.size(); i += 8) {
      unsigned byte = 0;
      for (std::size_t j = 0; j < 8; ++j) byte = byte * 2 + (bits[i + j] ? 1 : 0);
      if (zeros == 2 && byte <= 3) {
        bytes.push_back(std::byte{3});
        zeros = 0;
      }
      zeros = byte == 0 ? zeros + 1 : 0;
      bytes.push_back(static_cast<std::byte>(byte));
    }
    return bytes;
  }

 private:
  std::vector<bool> bits_;
};

/// Up to where its VUI would be: 1280x720 in High profile at level 3.1, two references.
Writer sps() {
  Writer w{0x67, 100, 0, 31};
  w.ue(0).ue(1).ue(0).ue(0).u(1, 0).u(1, 0);
  w.ue(0).ue(0).ue(2).ue(2).u(1, 0).ue(79).ue(44).u(1, 1).u(1, 1).u(1, 0);
  return w;
}
/// The VUI up to its restrictions, with colours, timing and a buffer's model, and zeros that need emulation prevention.
Writer& usability(Writer& w) {
  w.u(1, 1).u(1, 1).u(8, 255).u(16, 1).u(16, 1).u(1, 0);
  w.u(1, 1).u(3, 5).u(1, 0).u(1, 1).u(8, 1).u(8, 1).u(8, 1).u(1, 0);
  w.u(1, 1).u(32, 1).u(32, 60).u(1, 1);
  w.u(1, 1).ue(0).u(4, 1).u(4, 2).ue(1000).ue(2000).u(1, 0).u(5, 23).u(5, 23).u(5, 23).u(5, 24).u(1, 0).u(1, 0);
  return w.u(1, 1);
}
Bytes sps_with_vui() {
  Writer w = sps();
  return usability(w).u(1, 0).unit();
}
Bytes sps_restricted(unsigned pictures) {
  Writer w = sps();
  return usability(w).u(1, 1).u(1, 1).ue(0).ue(0).ue(11).ue(11).ue(pictures).ue(4).unit();
}

Bytes pps() {
  return {std::byte{0}, std::byte{0}, std::byte{1}, std::byte{0x68}, std::byte{0xee}, std::byte{0x3c}, std::byte{0x80}};
}
Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// What another reader of parameter sets makes of them when it takes them apart and puts them together again; empty: it
/// refuses them.
Bytes through_libavcodec(const Bytes& headers) {
  struct Free {
    void operator()(AVBSFContext* filter) const noexcept { av_bsf_free(&filter); }
  };
  AVBSFContext* raw = nullptr;
  REQUIRE(av_bsf_alloc(av_bsf_get_by_name("h264_metadata"), &raw) == 0);
  const std::unique_ptr<AVBSFContext, Free> filter(raw);
  filter->par_in->codec_type = AVMEDIA_TYPE_VIDEO;
  filter->par_in->codec_id = AV_CODEC_ID_H264;
  filter->par_in->extradata = static_cast<std::uint8_t*>(av_mallocz(headers.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  filter->par_in->extradata_size = static_cast<int>(headers.size());
  std::ranges::copy(headers, reinterpret_cast<std::byte*>(filter->par_in->extradata));
  if (av_bsf_init(filter.get()) < 0) return {};
  const auto* out = reinterpret_cast<const std::byte*>(filter->par_out->extradata);
  return {out, out + filter->par_out->extradata_size};
}
/// How many pictures libavcodec's decoder waits for with these headers.
int held_by_libavcodec(const Bytes& headers) {
  struct Free {
    void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
  };
  const std::unique_ptr<AVCodecContext, Free> context(avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264)));
  context->extradata = static_cast<std::uint8_t*>(av_mallocz(headers.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  context->extradata_size = static_cast<int>(headers.size());
  context->strict_std_compliance = FF_COMPLIANCE_STRICT;
  std::ranges::copy(headers, reinterpret_cast<std::byte*>(context->extradata));
  REQUIRE(avcodec_open2(context.get(), nullptr, nullptr) == 0);
  return context->has_b_frames;
}

void check_changed(const Bytes& before, unsigned expected_before) {
  const auto was = read_reordering(Codec::H264, before);
  REQUIRE(was);
  CHECK(was->expected == expected_before);
  const auto after = without_reordering(Codec::H264, before);
  REQUIRE(after);
  const auto is = read_reordering(Codec::H264, *after);
  REQUIRE(is);
  CHECK(is->pictures == 0U);
  CHECK(is->expected == 0);
  CHECK_FALSE(without_reordering(Codec::H264, *after));  // once is enough
  CHECK(read_profile_level(Codec::H264, *after) == read_profile_level(Codec::H264, before));
  const Bytes read = through_libavcodec(*after);
  CHECK(read_reordering(Codec::H264, read)->pictures == 0U);
  CHECK(held_by_libavcodec(*after) == 0);
}

}  // namespace

TEST_CASE("H.264: a header that does not say its pictures' order is made to say that they are in order") {
  // Level 3.1 keeps 18000 macroblocks: five pictures of 1280x720.
  SECTION("without a VUI") { check_changed(sps().u(1, 0).unit() + pps(), 5); }
  SECTION("with a VUI without restrictions") { check_changed(sps_with_vui() + pps(), 5); }
  SECTION("with another number") { check_changed(sps_restricted(3) + pps(), 3); }
}

TEST_CASE("H.264: a header that says so already stays as it is, and so does what follows a changed one") {
  CHECK_FALSE(without_reordering(Codec::H264, sps_restricted(0) + pps()));
  const Bytes slice{std::byte{0}, std::byte{0}, std::byte{1}, std::byte{0x65}, std::byte{0x88},
                    std::byte{0}, std::byte{0}, std::byte{1}, std::byte{0x67}};
  const auto changed = without_reordering(Codec::H264, sps_with_vui() + pps() + slice);
  REQUIRE(changed);
  const Bytes tail = pps() + slice;
  CHECK(std::ranges::equal(std::span(*changed).last(tail.size()), tail));
}

TEST_CASE("H.264: the same from MP4's box") {
  const Bytes unit = sps_restricted(2);
  Bytes box{std::byte{1},    std::byte{100},  std::byte{0}, std::byte{31},
            std::byte{0xff}, std::byte{0xe1}, std::byte{0}, static_cast<std::byte>(unit.size() - 4)};
  box.insert(box.end(), unit.begin() + 4, unit.end());
  CHECK(read_reordering(Codec::H264, box)->pictures == 2U);
  for (std::size_t length = 0; length < box.size(); ++length) {
    static_cast<void>(read_reordering(Codec::H264, std::span(box).first(length)));
  }
}

TEST_CASE("HEVC: the order of each layer is read and set") {
  Writer w{0x42, 0x01};
  w.u(4, 0).u(3, 1).u(1, 1).u(8, 1).u(32, 0x60000000).u(48, 0).u(8, 93);
  w.u(2, 0).u(14, 0);  // one layer below, of which nothing is said
  w.ue(0).ue(1).ue(1280).ue(720).u(1, 0).ue(0).ue(0).ue(4).u(1, 1);
  w.ue(2).ue(1).ue(0).ue(4).ue(3).ue(0).ue(0).ue(3);
  const Bytes headers = w.unit();
  CHECK(read_reordering(Codec::HEVC, headers)->pictures == 3U);
  const auto changed = without_reordering(Codec::HEVC, headers);
  REQUIRE(changed);
  CHECK(read_reordering(Codec::HEVC, *changed)->pictures == 0U);
  CHECK(read_profile_level(Codec::HEVC, *changed) == ProfileLevel{1, 93});
  CHECK_FALSE(without_reordering(Codec::HEVC, *changed));
}

TEST_CASE("headers that are cut short are left alone") {
  for (const Bytes& whole : {sps_with_vui(), sps_restricted(3)}) {
    for (std::size_t length = 0; length + 2 < whole.size(); ++length) {
      const auto cut = std::span(whole).first(length);
      if (const auto changed = without_reordering(Codec::H264, cut)) CHECK(changed->size() <= whole.size() + 8);
    }
  }
  CHECK_FALSE(read_reordering(Codec::AV1, sps_with_vui()));
  CHECK_FALSE(read_reordering(Codec::H264, {}));
}

TEST_CASE("each encoder without B-frames says that its pictures are in order, and a level that holds them") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  for (const auto& [size, rate] : {std::pair{Size{1280, 720}, 60U}, std::pair{Size{320, 192}, 30U}}) {
    EncoderSettings settings;
    settings.preset = Preset::LowLatency;
    auto opened = open_ffmpeg_encoder(row, settings, {.size = size, .rate = {rate, 1}, .threads = 2});
    REQUIRE(opened);
    const EncodeRun run = encode(**opened, 3, at_rate(rate));
    REQUIRE(run.packets.size() == 3);
    const StreamParameters& stream = (*opened)->stream();
    const auto whole = with_headers(row.codec, stream.extradata, run.packets.front());
    REQUIRE(whole);
    const auto order = read_reordering(row.codec, whole->bytes());
    if (row.codec == Codec::AV1) {
      CHECK_FALSE(order);
    } else {
      REQUIRE(order);
      CHECK(order->pictures == 0U);
    }
    const auto found = read_profile_level(row.codec, stream.extradata);
    REQUIRE(found);
    if (const auto limits = level_limits(row.codec, found->level)) {
      CHECK(limits->picture >= luma_samples(row.codec, size));
      CHECK(limits->rate >= luma_samples(row.codec, size) * rate);
    }
  }
}
