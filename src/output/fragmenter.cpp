#include "output/fragmenter.h"

#include "media/av_handles.h"
#include "output/av_format.h"
#include "output/av_streams.h"
#include "output/mp4_boxes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

extern "C" {
#include <libavformat/avformat.h>
}

namespace zc {
namespace {

using Bytes = std::vector<std::byte>;
using mp4::box_type;

constexpr std::size_t kFullBox = 4;

// ---- What the header says of the codec

unsigned at(std::span<const std::byte> bytes, std::size_t i) {
  return i < bytes.size() ? std::to_integer<unsigned>(bytes[i]) : 0;
}

/// ISO/IEC 14496-15 section 5.3.3.1: 'avcC' begins with version, profile, constraints and level.
std::string avc_string(std::span<const std::byte> c) {
  return fmt::format("avc1.{:02X}{:02X}{:02X}", at(c, 1), at(c, 2), at(c, 3));
}

/// Section 8.3.3.1, and annex E.3 for the text.
std::string hevc_string(std::span<const std::byte> c) {
  constexpr std::array<std::string_view, 4> kSpaces{"", "A", "B", "C"};
  std::uint32_t compatibility = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    if ((at(c, 2 + i / 8) >> (7 - i % 8) & 1U) != 0) compatibility |= 1U << i;  // written in reverse
  }
  std::string text = fmt::format("hvc1.{}{}.{:X}.{}{}", kSpaces.at(at(c, 1) >> 6U), at(c, 1) & 0x1fU, compatibility,
                                 (at(c, 1) & 0x20U) != 0 ? 'H' : 'L', at(c, 12));
  std::size_t constraints = 6;
  while (constraints > 0 && at(c, 5 + constraints) == 0) --constraints;
  for (std::size_t i = 0; i < constraints; ++i) text += fmt::format(".{:X}", at(c, 6 + i));
  return text;
}

/// AV1 Codec ISO Media File Format Binding, sections 2.3.3 and 5.
std::string av1_string(std::span<const std::byte> c) {
  const bool high = (at(c, 2) & 0x40U) != 0;
  const bool twelve = (at(c, 2) & 0x20U) != 0;
  return fmt::format("av01.{}.{:02}{}.{:02}", at(c, 1) >> 5U, at(c, 1) & 0x1fU, (at(c, 2) & 0x80U) != 0 ? 'H' : 'M',
                     high ? (twelve ? 12 : 10) : 8);
}

struct CodecBox {
  Codec codec;
  mp4::BoxType type;
  std::string (*text)(std::span<const std::byte>);
};
constexpr std::array kCodecBoxes{CodecBox{Codec::H264, box_type("avcC"), avc_string},
                                 CodecBox{Codec::HEVC, box_type("hvcC"), hevc_string},
                                 CodecBox{Codec::AV1, box_type("av1C"), av1_string}};

/// The first track's: libavformat puts the pictures there.
std::string video_codec(std::span<const std::byte> header, Codec codec) {
  constexpr std::size_t kSampleEntry = 78;  // of pictures, before its boxes: ISO/IEC 14496-12 section 12.1.3
  std::span<const std::byte> inner = mp4::find_box(header, box_type("moov")).body;
  for (const mp4::BoxType type :
       {box_type("trak"), box_type("mdia"), box_type("minf"), box_type("stbl"), box_type("stsd")}) {
    inner = mp4::find_box(inner, type).body;
  }
  if (inner.size() < kFullBox + 4) return {};
  mp4::BoxReader entries(inner.subspan(kFullBox + 4));
  const auto entry = entries.box();
  if (!entry || entry->body.size() < kSampleEntry) return {};
  const auto* const row = std::ranges::find(kCodecBoxes, codec, &CodecBox::codec);
  const mp4::Box box = mp4::find_box(entry->body.subspan(kSampleEntry), row->type);
  return box.body.empty() ? std::string() : row->text(box.body);
}

// ---- libavformat's header

// libavformat 61 made the buffer of the write callback const.
using WriteBuffer = std::conditional_t<(LIBAVFORMAT_VERSION_MAJOR >= 61), const std::uint8_t*, std::uint8_t*>;

int keep_bytes(void* opaque, WriteBuffer bytes, int count) noexcept {
  auto& out = *static_cast<Bytes*>(opaque);
  const auto more = std::as_bytes(std::span(bytes, static_cast<std::size_t>(count)));
  out.insert(out.end(), more.begin(), more.end());
  return count;
}

Result<Bytes> make_header(const StreamParameters& stream) {
  const auto failed = [](std::string why) {
    return fail(ErrorKind::Unsupported, "put the stream into MP4", std::move(why));
  };
  Bytes header;
  constexpr int kBuffer = 4096;
  AVFormatContext* raw = nullptr;
  if (avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr) < 0) return failed("libavformat has no MP4");
  const AvOutputPtr context(raw);
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(kBuffer));
  const AvioPtr io(avio_alloc_context(buffer, kBuffer, 1, &header, nullptr, keep_bytes, nullptr));
  if (!io) return failed("there is no memory");
  context->pb = io.get();
  AVStream* pictures = avformat_new_stream(context.get(), nullptr);
  bool good = pictures != nullptr && describe(stream, *pictures);
  // Parameter sets are in the header, as 'hvc1' asks.
  if (good && stream.codec == Codec::HEVC) pictures->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
  if (good) pictures->time_base = {1, static_cast<int>(kPacketClock)};
  for (const AudioStreamParameters& track : stream.audio) {
    AVStream* sound = avformat_new_stream(context.get(), nullptr);
    good = good && sound != nullptr && describe(track, *sound);
    if (good) sound->time_base = {1, static_cast<int>(kAudioRate)};
  }
  AvOptions options;
  options.set("movflags", "empty_moov+default_base_moof+frag_custom");
  options.set("use_editlist", "0");
  if (!good || avformat_write_header(context.get(), options.get()) < 0) {
    return failed("libavformat's MP4 does not take it");
  }
  avio_flush(io.get());
  return header;
}

// ---- Fragments

void put(Bytes& out, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) out.push_back(static_cast<std::byte>(number >> (8 * i) & 0xffU));
}
void replace(Bytes& out, std::size_t place, std::uint64_t number) {
  for (std::size_t i = 0; i < 4; ++i) out.at(place + i) = static_cast<std::byte>(number >> (8 * (3 - i)) & 0xffU);
}
/// Where it begins, for end().
std::size_t begin(Bytes& out, mp4::BoxType type) {
  put(out, 0, 4);
  put(out, type, 4);
  return out.size() - 8;
}
void end(Bytes& out, std::size_t box) { replace(out, box, out.size() - box); }

/// Annex B (ITU-T H.264, B.1) with lengths in the start codes' place.
void put_with_lengths(Bytes& out, std::span<const std::byte> bytes) {
  constexpr std::byte kZero{0};
  constexpr std::byte kOne{1};
  const auto start_code = [&](std::size_t from) {
    while (from + 2 < bytes.size() && (bytes[from] != kZero || bytes[from + 1] != kZero || bytes[from + 2] != kOne)) {
      ++from;
    }
    return from + 2 < bytes.size() ? from : bytes.size();
  };
  std::size_t code = start_code(0);
  while (code < bytes.size()) {
    const std::size_t unit = code + 3;
    code = start_code(unit);
    std::size_t last = code;
    while (last > unit && bytes[last - 1] == kZero) --last;  // of a code with four bytes, or trailing ones
    put(out, last - unit, 4);
    out.insert(out.end(), bytes.begin() + static_cast<std::ptrdiff_t>(unit),
               bytes.begin() + static_cast<std::ptrdiff_t>(last));
  }
}

}  // namespace

std::string codec_string(AudioCodec codec) {
  if (codec == AudioCodec::Aac) return "mp4a.40.2";
  return std::string(to_string(codec));
}

Result<Fragmenter> Fragmenter::create(const StreamParameters& stream) {
  auto header = make_header(stream);
  if (!header) return std::unexpected(std::move(header.error()));
  Fragmenter fragmenter;
  fragmenter.video_ = stream.codec;
  fragmenter.codec_ = video_codec(*header, stream.codec);
  for (const AudioStreamParameters& track : stream.audio) fragmenter.audio_.push_back(codec_string(track.codec));
  fragmenter.header_ = *std::move(header);
  if (fragmenter.codec_.empty()) {
    return fail(ErrorKind::Unsupported, "put the stream into MP4", "its header does not say what it is");
  }
  return fragmenter;
}

std::string Fragmenter::codecs() const {
  std::string all = codec_;
  for (const std::string& one : audio_) {
    if (all.find(one) == std::string::npos) all += "," + one;
  }
  return all;
}

std::size_t Fragmenter::put_track(Bytes& out, std::vector<Sample>& samples) const {
  const WirePacket& first = *samples.front().packet;
  const bool pictures = first.track == 0;
  // libavformat's time scales: the stream's own, and the rate of sound.
  const auto scaled = [&](std::int64_t ticks) {
    return pictures ? ticks : ticks * std::int64_t{kAudioRate} / kPacketClock;
  };
  constexpr std::uint64_t kDefaultBaseIsMoof = 0x020000;
  constexpr std::uint64_t kHasAll = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800;  // offset, and per sample
  constexpr std::uint64_t kSync = 0x02000000;
  constexpr std::uint64_t kNotSync = 0x01010000;
  const std::size_t traf = begin(out, box_type("traf"));
  const std::size_t tfhd = begin(out, box_type("tfhd"));
  put(out, kDefaultBaseIsMoof, 4);
  put(out, first.track + 1U, 4);
  end(out, tfhd);
  const std::size_t tfdt = begin(out, box_type("tfdt"));
  put(out, 0x01000000, 4);
  put(out, static_cast<std::uint64_t>(std::max<std::int64_t>(0, scaled(first.dts))), 8);
  end(out, tfdt);
  const std::size_t trun = begin(out, box_type("trun"));
  put(out, kHasAll, 4);
  put(out, samples.size(), 4);
  const std::size_t offset = out.size();
  put(out, 0, 4);
  for (Sample& sample : samples) {
    const WirePacket& packet = *sample.packet;
    // As differences of scaled times, so that no rounding adds up.
    put(out, static_cast<std::uint64_t>(scaled(packet.dts + sample.duration) - scaled(packet.dts)), 4);
    sample.size_at = out.size();
    put(out, 0, 4);
    put(out, packet.keyframe || !pictures ? kSync : kNotSync, 4);
    put(out, static_cast<std::uint64_t>(scaled(packet.pts - packet.dts)), 4);
  }
  end(out, trun);
  end(out, traf);
  return offset;
}

void Fragmenter::put_data(Bytes& out, const WirePacket& packet) const {
  if (packet.track == 0 && video_ != Codec::AV1) return put_with_lengths(out, packet.bytes);
  out.insert(out.end(), packet.bytes.begin(), packet.bytes.end());
}

std::vector<std::byte> Fragmenter::fragment(std::span<const WirePacket> packets, std::int64_t duration) {
  Bytes out;
  std::size_t bytes = 64;
  for (const WirePacket& packet : packets) bytes += packet.bytes.size() + 64;
  out.reserve(bytes);
  const std::size_t moof = begin(out, box_type("moof"));
  const std::size_t mfhd = begin(out, box_type("mfhd"));
  put(out, 0, 4);
  put(out, ++sequence_, 4);
  end(out, mfhd);
  struct Track {
    std::vector<Sample> samples;
    std::size_t offset_at = 0;
  };
  std::vector<Track> tracks(audio_.size() + 1);
  for (const WirePacket& packet : packets) {
    if (packet.track >= tracks.size()) continue;
    std::vector<Sample>& samples = tracks[packet.track].samples;
    if (!samples.empty()) samples.back().duration = packet.dts - samples.back().packet->dts;
    samples.push_back({&packet, packet.duration > 0 ? packet.duration : duration, 0});
  }
  std::erase_if(tracks, [](const Track& track) { return track.samples.empty(); });
  for (Track& track : tracks) track.offset_at = put_track(out, track.samples);
  end(out, moof);
  const std::size_t mdat = begin(out, box_type("mdat"));
  for (const Track& track : tracks) {
    replace(out, track.offset_at, out.size() - moof);
    for (const Sample& sample : track.samples) {
      const std::size_t before = out.size();
      put_data(out, *sample.packet);
      replace(out, sample.size_at, out.size() - before);
    }
  }
  end(out, mdat);
  return out;
}

}  // namespace zc
