// H.264 pictures without any compression: the packed headers that the application wrote, and every macroblock as I_PCM.
#include "softva/driver.h"

#include <algorithm>
#include <array>

namespace zc::softva {
namespace {

constexpr unsigned kEdge = 16;  ///< of a macroblock

class BitWriter {
 public:
  BitWriter(std::vector<std::uint8_t> bytes, std::size_t bits) : bytes_(std::move(bytes)), bits_(bits) {
    bytes_.resize((bits + 7) / 8);
    if (bits % 8 != 0) bytes_.back() &= static_cast<std::uint8_t>(0xFF00U >> (bits % 8));
  }
  void bit(bool value) {
    if (bits_ % 8 == 0) bytes_.push_back(0);
    if (value) bytes_.back() |= static_cast<std::uint8_t>(0x80U >> (bits_ % 8));
    ++bits_;
  }
  void align(bool with) {
    while (bits_ % 8 != 0) bit(with);
  }
  void byte(std::uint8_t value) {
    bytes_.push_back(value);
    bits_ += 8;
  }
  [[nodiscard]] std::vector<std::uint8_t>& bytes() { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t bits_;
};

/// Table 9-44, rangeTabLPS.
constexpr std::array<std::array<std::uint8_t, 4>, 64> kRangeLps = {{
    {128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205}, {116, 142, 169, 195},
    {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166}, {95, 116, 137, 158},  {90, 110, 130, 150},
    {85, 104, 123, 142},  {81, 99, 117, 135},   {77, 94, 111, 128},   {73, 89, 105, 122},   {69, 85, 100, 116},
    {66, 80, 95, 110},    {62, 76, 90, 104},    {59, 72, 86, 99},     {56, 69, 81, 94},     {53, 65, 77, 89},
    {51, 62, 73, 85},     {48, 59, 69, 80},     {46, 56, 66, 76},     {43, 53, 63, 72},     {41, 50, 59, 69},
    {39, 48, 56, 65},     {37, 45, 54, 62},     {35, 43, 51, 59},     {33, 41, 48, 56},     {32, 39, 46, 53},
    {30, 37, 43, 50},     {29, 35, 41, 48},     {27, 33, 39, 45},     {26, 31, 37, 43},     {24, 30, 35, 41},
    {23, 28, 33, 39},     {22, 27, 32, 37},     {21, 26, 30, 35},     {20, 24, 29, 33},     {19, 23, 27, 31},
    {18, 22, 26, 30},     {17, 21, 25, 28},     {16, 20, 23, 27},     {15, 19, 22, 25},     {14, 18, 21, 24},
    {14, 17, 20, 23},     {13, 16, 19, 22},     {12, 15, 18, 21},     {12, 14, 17, 20},     {11, 14, 16, 19},
    {11, 13, 15, 18},     {10, 12, 15, 17},     {10, 12, 14, 16},     {9, 11, 13, 15},      {9, 11, 12, 14},
    {8, 10, 12, 14},      {8, 9, 11, 13},       {7, 9, 11, 12},       {7, 9, 10, 12},       {7, 8, 10, 11},
    {6, 8, 9, 11},        {6, 7, 9, 10},        {6, 7, 8, 9},         {2, 2, 2, 2},
}};
/// Table 9-45, transIdxLPS.
constexpr std::array<std::uint8_t, 64> kNextLps = {0,  0,  1,  2,  2,  4,  4,  5,  6,  7,  8,  9,  9,  11, 11, 12,
                                                   13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
                                                   24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33,
                                                   33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63};

/// m and n of Tables 9-12 and 9-13 (cabac_init_idc 0), for the contexts 3-5 (mb_type in I slices), 11-13 (mb_skip_flag
/// in P slices), 14 and 17 (mb_type in P slices: prefix, and of the I types behind it).
struct Initial {
  unsigned context;
  int m, n;
};
constexpr std::array kInitial = {Initial{3, 20, -15}, Initial{4, 2, 54},  Initial{5, 3, 74}, Initial{11, 23, 33},
                                 Initial{12, 23, 2},  Initial{13, 21, 0}, Initial{14, 1, 9}, Initial{17, 5, 57}};

/// 9.3.4: the arithmetic encoder.
class Cabac {
 public:
  Cabac(BitWriter& out, int qp) : out_(out) {
    for (const Initial& i : kInitial) {
      const int state = std::clamp(((i.m * std::clamp(qp, 0, 51)) >> 4) + i.n, 1, 126);
      contexts_.at(i.context) = state <= 63 ? Model{static_cast<std::uint8_t>(63 - state), false}
                                            : Model{static_cast<std::uint8_t>(state - 64), true};
    }
    start();
  }
  void start() {
    low_ = 0;
    range_ = 510;
    first_ = true;
    outstanding_ = 0;
  }
  void encode(unsigned context, bool bin) {
    Model& model = contexts_.at(context);
    const std::uint32_t lps = kRangeLps.at(model.state).at((range_ >> 6U) & 3U);
    range_ -= lps;
    if (bin != model.mps) {
      low_ += range_;
      range_ = lps;
      if (model.state == 0) model.mps = !model.mps;
      model.state = kNextLps.at(model.state);
    } else if (model.state < 62) {
      ++model.state;
    }
    renormalise();
  }
  /// A bin that ends the codeword when set: end_of_slice_flag, and the mark of I_PCM.
  void terminate(bool bin) {
    range_ -= 2;
    if (!bin) return renormalise();
    low_ += range_;
    range_ = 2;
    renormalise();
    put((low_ >> 9U & 1U) != 0);
    out_.bit((low_ >> 8U & 1U) != 0);
    out_.bit(true);
  }

 private:
  struct Model {
    std::uint8_t state = 0;
    bool mps = false;
  };
  void renormalise() {
    while (range_ < 256) {
      if (low_ < 256) {
        put(false);
      } else if (low_ >= 512) {
        low_ -= 512;
        put(true);
      } else {
        low_ -= 256;
        ++outstanding_;
      }
      range_ <<= 1U;
      low_ <<= 1U;
    }
  }
  void put(bool bit) {
    if (first_) {
      first_ = false;
    } else {
      out_.bit(bit);
    }
    for (; outstanding_ > 0; --outstanding_) out_.bit(!bit);
  }

  BitWriter& out_;
  std::array<Model, 18> contexts_{};
  std::uint32_t low_ = 0;
  std::uint32_t range_ = 510;
  bool first_ = true;
  unsigned outstanding_ = 0;
};

/// The samples of one macroblock, those outside of the picture repeated from its edge.
void pcm(BitWriter& out, const Picture& picture, unsigned mb_x, unsigned mb_y) {
  const auto clamp = [](std::size_t value, std::size_t count) { return std::min(value, count - 1); };
  for (unsigned y = 0; y < kEdge; ++y) {
    const std::uint8_t* row = picture.row(0, clamp(std::size_t{mb_y} * kEdge + y, picture.height));
    for (unsigned x = 0; x < kEdge; ++x) out.byte(row[clamp(std::size_t{mb_x} * kEdge + x, picture.width)]);
  }
  const std::size_t width = (std::size_t{picture.width} + 1) / 2;
  const std::size_t height = (std::size_t{picture.height} + 1) / 2;
  for (unsigned component = 0; component < 2; ++component) {
    for (unsigned y = 0; y < kEdge / 2; ++y) {
      const std::uint8_t* row = picture.row(1, clamp(std::size_t{mb_y} * kEdge / 2 + y, height));
      for (unsigned x = 0; x < kEdge / 2; ++x) {
        out.byte(row[2 * clamp(std::size_t{mb_x} * kEdge / 2 + x, width) + component]);
      }
    }
  }
}

struct Slice {
  unsigned columns, rows;  ///< macroblocks
  bool predicted;          ///< a P slice
  int qp;
};

void code(BitWriter& out, const Picture& picture, const Slice& slice) {
  out.align(true);
  Cabac cabac(out, slice.qp);
  for (unsigned y = 0; y < slice.rows; ++y) {
    for (unsigned x = 0; x < slice.columns; ++x) {
      const unsigned neighbours = (x > 0 ? 1U : 0U) + (y > 0 ? 1U : 0U);
      if (slice.predicted) {
        cabac.encode(11 + neighbours, false);  // not skipped
        cabac.encode(14, true);                // an I type
        cabac.encode(17, true);                // not I_NxN
      } else {
        cabac.encode(3 + neighbours, true);
      }
      cabac.terminate(true);  // I_PCM
      out.align(false);
      pcm(out, picture, x, y);
      cabac.start();
      cabac.terminate(x + 1 == slice.columns && y + 1 == slice.rows);
    }
  }
  out.align(false);
}

/// Appends [from, end) of `raw` with emulation prevention, 7.4.1; what comes before has it already.
void append_escaped(std::vector<std::uint8_t>& out, const std::vector<std::uint8_t>& raw, std::size_t from) {
  out.insert(out.end(), raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(from));
  unsigned zeros = 0;
  for (std::size_t i = from; i > 0 && raw[i - 1] == 0; --i) ++zeros;
  for (std::size_t i = from; i < raw.size(); ++i) {
    if (zeros >= 2 && raw[i] <= 3) {
      out.push_back(3);
      zeros = 0;
    }
    out.push_back(raw[i]);
    zeros = raw[i] == 0 ? zeros + 1 : 0;
  }
}

}  // namespace

std::optional<std::vector<std::uint8_t>> encode_h264(const Picture& picture, const EncodeState& state) {
  if (!state.picture || !state.slice || picture.format->fourcc != VA_FOURCC_NV12) return std::nullopt;
  const Slice slice{state.sequence.picture_width_in_mbs, state.sequence.picture_height_in_mbs,
                    state.slice->slice_type % 5 == 0, state.picture->pic_init_qp + state.slice->slice_qp_delta};
  const bool known = slice.predicted || state.slice->slice_type % 5 == 2;
  const bool by_context = state.picture->pic_fields.bits.entropy_coding_mode_flag != 0;
  const bool whole = by_context && state.slice->macroblock_address == 0 &&
                     state.slice->num_macroblocks == slice.columns * slice.rows &&
                     slice.columns * kEdge >= picture.width && slice.rows * kEdge >= picture.height;
  if (!known || !whole || (slice.predicted && state.slice->cabac_init_idc != 0)) return std::nullopt;
  std::vector<std::uint8_t> stream;
  bool sliced = false;
  for (const EncodeState::Packed& part : state.packed) {
    if (part.type != VAEncPackedHeaderSlice) {
      stream.insert(stream.end(), part.bytes.begin(),
                    part.bytes.begin() + static_cast<std::ptrdiff_t>((part.bits + 7) / 8));
      continue;
    }
    BitWriter out(part.bytes, part.bits);
    code(out, picture, slice);
    append_escaped(stream, out.bytes(), part.bits / 8);
    sliced = true;
  }
  if (!sliced) return std::nullopt;
  return stream;
}

}  // namespace zc::softva
