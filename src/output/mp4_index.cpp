#include "output/mp4_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

namespace zc {
namespace {

using mp4::Box;
using mp4::box_type;
using mp4::BoxReader;
using mp4::BoxType;
using mp4::BoxWriter;
using mp4::find_box;

constexpr std::size_t kHeader = 8;
constexpr std::size_t kLongHeader = 16;
/// Far more than the `moof` of a fragment of 250 ms takes.
constexpr std::uint64_t kMostKept = std::uint64_t{64} << 20U;
constexpr std::uint32_t kMostPlainSamples = 1024;  // of a run that says nothing of each
constexpr std::uint32_t kLongest = 0x7fff'ffff;  // duration; libavformat takes larger ones in 'stts' for negative ones
constexpr std::uint32_t kKey = 0x8000'0000;
constexpr std::uint32_t kNotSync = 0x0001'0000;  // sample_is_non_sync_sample
constexpr std::uint32_t kFlags = 0x00ff'ffff;    // of a full box; its version is above

std::uint32_t version_of(std::uint32_t version_and_flags) { return version_and_flags >> 24U; }

/// `mvhd`, `tkhd` or `mdhd`: the same but for what is between the times.
struct TimedHeader {
  std::uint32_t version_and_flags = 0;
  std::uint64_t created = 0;
  std::uint64_t modified = 0;
  std::span<const std::byte> middle;  ///< a time scale, or a track's number
  std::span<const std::byte> rest;    ///< after the duration

  explicit TimedHeader(const Box& box) {
    BoxReader in(box.body);
    version_and_flags = in.u32();
    const std::size_t width = version_of(version_and_flags) == 1 ? 8 : 4;
    created = in.number(width);
    modified = in.number(width);
    middle = in.take(box.type == box_type("tkhd") ? 8 : 4);
    in.take(width);
    rest = in.rest();
  }
  [[nodiscard]] std::uint32_t scale_or_id() const { return BoxReader(middle).u32(); }
};

/// A table of runs of equal values, `stts` or `ctts`.
template <class Samples, class Value>
void write_runs(BoxType type, std::uint32_t version, const Samples& samples, Value value, BoxWriter& out) {
  const std::uint64_t box = out.begin(type);
  out.u32(version << 24U);
  const std::uint64_t count_at = out.position();
  std::uint32_t count = 0;
  out.u32(count);
  for (auto first = samples.begin(); first != samples.end();) {
    const auto last = std::find_if(first, samples.end(), [&](const auto& s) { return value(s) != value(*first); });
    out.u32(static_cast<std::uint32_t>(last - first));
    out.u32(value(*first));
    ++count;
    first = last;
  }
  out.replace_u32(count_at, count);
  out.end(box);
}

/// What is written anew.
bool is_table(BoxType type) {
  constexpr std::array kTables{box_type("stts"), box_type("ctts"), box_type("stss"), box_type("stsc"),
                               box_type("stsz"), box_type("stco"), box_type("co64")};
  return std::ranges::find(kTables, type) != kTables.end();
}

/// The way down to the sample tables.
bool leads_down(BoxType parent, BoxType child) {
  constexpr std::array<std::pair<BoxType, BoxType>, 4> kWay{{{box_type("moov"), box_type("trak")},
                                                             {box_type("trak"), box_type("mdia")},
                                                             {box_type("mdia"), box_type("minf")},
                                                             {box_type("minf"), box_type("stbl")}}};
  return std::ranges::find(kWay, std::pair(parent, child)) != kWay.end();
}

void put(std::vector<std::byte>& bytes, std::uint64_t value, std::size_t width) {
  while (width-- > 0) bytes.push_back(static_cast<std::byte>(value >> (8 * width) & 0xffU));
}

}  // namespace

struct Mp4Index::Run {
  Track* track = nullptr;
  std::uint64_t base = 0;  ///< byte that offsets count from
  std::uint64_t next = 0;  ///< byte behind the run before
  Defaults defaults;
};

void Mp4Index::add(std::uint64_t at, std::span<const std::byte> bytes) {
  if (at != position_) fault_ = "it was not written in order";
  position_ += bytes.size();
  while (fault_.empty() && !bytes.empty()) {
    if (skip_ > 0) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
      skip_ -= part;
      bytes = bytes.subspan(part);
      continue;
    }
    const auto part = bytes.first(std::min(wanted_ - box_.size(), bytes.size()));
    box_.insert(box_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (box_.size() == wanted_) inspect();
  }
}

void Mp4Index::inspect() {
  BoxReader in(box_);
  std::uint64_t size = in.u32();
  const BoxType type = in.u32();
  if (size == 1) {
    if (box_.size() == kHeader) {
      wanted_ = kLongHeader;
      return;
    }
    size = in.number(8);
  }
  if (size < box_.size()) {
    fault_ = "a box says no size";
    return;
  }
  if (type == box_type("ftyp") || type == box_type("moov") || type == box_type("moof")) {
    if (size > kMostKept) fault_ = "a box is larger than it can be";
    if (box_.size() < size) {
      wanted_ = static_cast<std::size_t>(size);
      return;
    }
    keep(type);
  }
  skip_ = size - box_.size();
  box_at_ += size;
  box_.clear();
  wanted_ = kHeader;
}

void Mp4Index::keep(BoxType type) {
  bool good = true;
  if (type == box_type("ftyp")) {
    good = box_at_ == 0 && box_.size() % 4 == 0;
    ftyp_ = box_;
  } else if (type == box_type("moov")) {
    good = !ftyp_.empty() && moov_.empty() && box_at_ == ftyp_.size();
    moov_ = box_;
    good = good && read_moov();
  } else {
    good = read_moof();
  }
  if (!good) fault_ = "its boxes are not as expected";
}

Mp4Index::Track* Mp4Index::track(std::uint32_t id) {
  const auto found = std::ranges::find(tracks_, id, &Track::id);
  return found == tracks_.end() ? nullptr : &*found;
}

bool Mp4Index::read_moov() {
  const auto body = std::span<const std::byte>(moov_).subspan(kHeader);
  timescale_ = TimedHeader(find_box(body, box_type("mvhd"))).scale_or_id();
  BoxReader in(body);
  while (const auto box = in.box()) {
    if (box->type != box_type("trak")) continue;
    Track& track = tracks_.emplace_back();
    track.id = TimedHeader(find_box(box->body, box_type("tkhd"))).scale_or_id();
    const Box mdia = find_box(box->body, box_type("mdia"));
    track.timescale = TimedHeader(find_box(mdia.body, box_type("mdhd"))).scale_or_id();
    if (track.timescale == 0) return false;
  }
  BoxReader mvex(find_box(body, box_type("mvex")).body);
  while (const auto box = mvex.box()) {
    if (box->type != box_type("trex")) continue;
    BoxReader trex(box->body);
    trex.u32();
    Track* const extended = track(trex.u32());
    trex.u32();  // sample description
    if (extended == nullptr) return false;
    extended->defaults = {.duration = trex.u32(), .bytes = trex.u32(), .flags = trex.u32()};
  }
  return in.good() && mvex.good() && timescale_ != 0;
}

bool Mp4Index::read_moof() {
  if (moov_.empty()) return false;
  BoxReader in(std::span<const std::byte>(box_).subspan(kHeader));
  while (const auto box = in.box()) {
    if (box->type == box_type("traf") && !read_traf(*box)) return false;
  }
  return in.good();
}

bool Mp4Index::read_traf(const Box& traf) {
  Run run;
  BoxReader in(traf.body);
  while (const auto box = in.box()) {
    if (box->type == box_type("tfhd") && !read_tfhd(*box, run)) return false;
    if (box->type == box_type("tfdt") && !read_tfdt(*box, run)) return false;
    if (box->type == box_type("trun") && !read_trun(*box, run)) return false;
  }
  return in.good();
}

bool Mp4Index::read_tfhd(const Box& tfhd, Run& run) {
  BoxReader in(tfhd.body);
  const std::uint32_t flags = in.u32() & kFlags;
  run.track = track(in.u32());
  if (run.track == nullptr) return false;
  run.defaults = run.track->defaults;
  run.base = run.next = (flags & 0x01U) != 0 ? in.number(8) : box_at_;
  if ((flags & 0x02U) != 0 && in.u32() != 1) return false;  // another sample description
  if ((flags & 0x08U) != 0) run.defaults.duration = in.u32();
  if ((flags & 0x10U) != 0) run.defaults.bytes = in.u32();
  if ((flags & 0x20U) != 0) run.defaults.flags = in.u32();
  return in.good();
}

bool Mp4Index::read_tfdt(const Box& tfdt, const Run& run) {
  if (run.track == nullptr) return false;
  BoxReader in(tfdt.body);
  const std::uint64_t time = in.number(version_of(in.u32()) == 1 ? 8 : 4);
  Track& track = *run.track;
  if (!in.good()) return false;
  if (track.samples.empty()) {
    track.start = track.end = time;
    return true;
  }
  // A sample whose successor's time was not known when it was written says too short a duration.
  Sample& last = track.samples.back();
  const std::uint64_t last_time = track.end - last.duration;
  if (time < last_time || time - last_time > kLongest) return false;
  last.duration = static_cast<std::uint32_t>(time - last_time);
  track.end = time;
  return true;
}

bool Mp4Index::read_trun(const Box& trun, Run& run) {
  if (run.track == nullptr) return false;
  BoxReader in(trun.body);
  const std::uint32_t version_and_flags = in.u32();
  const auto has = [&](std::uint32_t flag) { return (version_and_flags & flag) != 0; };
  const std::uint32_t count = in.u32();
  if (has(0x001)) run.next = run.base + static_cast<std::uint64_t>(std::int64_t{std::bit_cast<std::int32_t>(in.u32())});
  const std::uint32_t first_flags = has(0x004) ? in.u32() : 0;
  Track& track = *run.track;
  if (!has(0xf00) && count > kMostPlainSamples) return false;
  if (count > 0) track.chunks.push_back({run.next, static_cast<std::uint32_t>(track.samples.size())});
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t duration = has(0x100) ? in.u32() : run.defaults.duration;
    const std::uint32_t bytes = has(0x200) ? in.u32() : run.defaults.bytes;
    const std::uint32_t usual = has(0x400) ? in.u32() : run.defaults.flags;
    const std::uint32_t flags = i == 0 && has(0x004) ? first_flags : usual;
    const auto offset = has(0x800) ? std::bit_cast<std::int32_t>(in.u32()) : 0;
    if (!in.good() || bytes >= kKey || duration > kLongest || (version_of(version_and_flags) == 0 && offset < 0))
      return false;
    track.samples.push_back({bytes | ((flags & kNotSync) == 0 ? kKey : 0), duration, offset});
    track.reordered |= offset != 0;
    track.end += duration;
    run.next += bytes;
  }
  data_end_ = std::max(data_end_, run.next);
  return in.good();
}

Result<void> Mp4Index::make_plain(ByteStream& out) const {
  const std::uint64_t end = out.size();
  std::string_view fault = fault_;
  if (fault.empty() && (moov_.empty() || !box_.empty() || skip_ != 0 || box_at_ != end || data_end_ > end)) {
    fault = "its last fragment is not whole";
  }
  if (!fault.empty()) return fail(ErrorKind::Internal, "make a plain MP4", std::string(fault));
  BoxWriter writer(out);
  const std::uint64_t moov = writer.begin(box_type("moov"));
  write_boxes(box_type("moov"), std::span<const std::byte>(moov_).subspan(kHeader), nullptr, writer);
  writer.end(moov);
  if (auto written = writer.finish(); !written) return written;
  // When the power fails in between, the new beginning must not be there without the tables that it needs.
  if (auto kept = out.keep(); !kept) return kept;
  if (auto moved = out.seek(0); !moved) return moved;
  return out.write(head(end));
}

std::vector<std::byte> Mp4Index::head(std::uint64_t end) const {
  const bool reordered = std::ranges::any_of(tracks_, &Track::reordered);
  std::vector<std::byte> bytes;
  BoxReader in(ftyp_);
  put(bytes, in.number(kHeader), kHeader);
  while (!in.rest().empty()) {
    // Of the brands only the fragments' own change: signed composition offsets came with 'iso4'.
    const std::uint32_t brand = in.u32();
    const bool fragmented = brand == box_type("iso5") || brand == box_type("iso6");
    put(bytes, !fragmented ? brand : reordered ? box_type("iso4") : box_type("isom"), 4);
  }
  put(bytes, 1, 4);  // the size follows, in 64 bits
  put(bytes, box_type("mdat"), 4);
  put(bytes, end - ftyp_.size(), 8);
  return bytes;
}

std::uint64_t Mp4Index::movie_duration(const Track& track) const {
  return (track.end * timescale_ + track.timescale - 1) / track.timescale;
}

void Mp4Index::write_boxes(BoxType parent, std::span<const std::byte> boxes, const Track* track, BoxWriter& out) const {
  BoxReader in(boxes);
  while (const auto box = in.box()) {
    if (box->type == box_type("mvhd") || box->type == box_type("tkhd") || box->type == box_type("mdhd")) {
      write_header(*box, track, out);
      if (box->type == box_type("tkhd") && track->start > 0) write_edits(*track, out);
    } else if (leads_down(parent, box->type)) {
      if (box->type == box_type("trak")) {
        const std::uint32_t id = TimedHeader(find_box(box->body, box_type("tkhd"))).scale_or_id();
        track = &*std::ranges::find(tracks_, id, &Track::id);  // read_moov() made one of each
      }
      const std::uint64_t at = out.begin(box->type);
      write_boxes(box->type, box->body, track, out);
      if (box->type == box_type("stbl")) write_tables(*track, out);
      out.end(at);
    } else if (box->type != box_type("mvex") && !is_table(box->type)) {
      out.copy(box->whole);
    }
  }
}

void Mp4Index::write_header(const Box& box, const Track* track, BoxWriter& out) const {
  std::uint64_t duration = 0;
  if (box.type == box_type("mvhd")) {
    for (const Track& each : tracks_) duration = std::max(duration, movie_duration(each));
  } else if (track != nullptr) {
    duration = box.type == box_type("tkhd") ? movie_duration(*track) : track->end - track->start;
  }
  const TimedHeader header(box);
  // All ones are an unknown duration.
  const bool wide = version_of(header.version_and_flags) == 1 || duration >= std::numeric_limits<std::uint32_t>::max();
  const std::size_t width = wide ? 8 : 4;
  const std::uint64_t at = out.begin(box.type);
  out.u32((wide ? 1U << 24U : 0U) | (header.version_and_flags & kFlags));
  out.number(header.created, width);
  out.number(header.modified, width);
  out.copy(header.middle);
  out.number(duration, width);
  out.copy(header.rest);
  out.end(at);
}

void Mp4Index::write_edits(const Track& track, BoxWriter& out) const {
  const std::uint64_t whole = movie_duration(track);
  const std::uint64_t start = track.start * timescale_ / track.timescale;
  const std::uint64_t edts = out.begin(box_type("edts"));
  const std::uint64_t elst = out.begin(box_type("elst"));
  out.u32(1U << 24U);
  out.u32(2);
  out.number(start, 8);  // nothing for so long,
  out.number(std::numeric_limits<std::uint64_t>::max(), 8);
  out.u32(1U << 16U);
  out.number(whole - std::min(start, whole), 8);  // then all of it
  out.number(0, 8);
  out.u32(1U << 16U);
  out.end(elst);
  out.end(edts);
}

void Mp4Index::write_tables(const Track& track, BoxWriter& out) {
  write_runs(box_type("stts"), 0, track.samples, [](const Sample& s) { return s.duration; }, out);
  if (track.reordered) {
    const auto offset = [](const Sample& s) { return std::bit_cast<std::uint32_t>(s.offset); };
    write_runs(box_type("ctts"), 1, track.samples, offset, out);
  }
  write_keys(track, out);
  write_chunks(track, out);
  const std::uint64_t stsz = out.begin(box_type("stsz"));
  out.u32(0);
  out.u32(0);  // each has its own
  out.u32(static_cast<std::uint32_t>(track.samples.size()));
  for (const Sample& sample : track.samples) out.u32(sample.bytes_and_key & ~kKey);
  out.end(stsz);
}

void Mp4Index::write_keys(const Track& track, BoxWriter& out) {
  const auto is_key = [](const Sample& s) { return (s.bytes_and_key & kKey) != 0; };
  const auto keys = std::ranges::count_if(track.samples, is_key);
  if (std::cmp_equal(keys, track.samples.size())) return;  // without the table each one is
  const std::uint64_t stss = out.begin(box_type("stss"));
  out.u32(0);
  out.u32(static_cast<std::uint32_t>(keys));
  std::uint32_t number = 0;
  for (const Sample& sample : track.samples) {
    ++number;
    if (is_key(sample)) out.u32(number);
  }
  out.end(stss);
}

void Mp4Index::write_chunks(const Track& track, BoxWriter& out) {
  const std::uint64_t stsc = out.begin(box_type("stsc"));
  out.u32(0);
  const std::uint64_t runs_at = out.position();
  std::uint32_t runs = 0;
  out.u32(runs);
  std::uint32_t before = 0;
  for (std::size_t i = 0; i < track.chunks.size(); ++i) {
    const std::size_t next = i + 1 < track.chunks.size() ? track.chunks[i + 1].first : track.samples.size();
    const auto samples = static_cast<std::uint32_t>(next - track.chunks[i].first);
    if (samples == std::exchange(before, samples)) continue;
    out.u32(static_cast<std::uint32_t>(i + 1));
    out.u32(samples);
    out.u32(1);  // sample description
    ++runs;
  }
  out.replace_u32(runs_at, runs);
  out.end(stsc);
  const std::uint64_t co64 = out.begin(box_type("co64"));
  out.u32(0);
  out.u32(static_cast<std::uint32_t>(track.chunks.size()));
  for (const Chunk& chunk : track.chunks) out.number(chunk.position, 8);
  out.end(co64);
}

}  // namespace zc
