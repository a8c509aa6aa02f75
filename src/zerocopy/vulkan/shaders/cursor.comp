#version 450
#extension GL_EXT_control_flow_attributes : require
// Draws the cursor onto a finished YUV surface, or takes it away again. An invocation owns the words of 8x2 pixels, as
// those of rgb_to_yuv.comp do. Before it draws it keeps what was there. The arithmetic is CursorPainter's, bit for bit.

layout(local_size_x = 8, local_size_y = 8) in;

layout(constant_id = 0) const int kRestore = 0;  // write back what was kept
layout(constant_id = 1) const int kSubsampled = 1;
layout(constant_id = 2) const int kInterleaved = 1;
layout(constant_id = 3) const int kWide = 0;
layout(constant_id = 4) const int kValueShift = 0;
layout(constant_id = 5) const int kLargest = 255;
layout(constant_id = 6) const int kLumaOffset = 16;
layout(constant_id = 7) const int kChromaOffset = 128;
layout(constant_id = 8) const int kInkShift = 8;  // what the inks' fraction lacks of kKeepBits

const int kKeepBits = 15;
const int kKept = 24;  // words kept of a block, at most

layout(std430, binding = 0) readonly buffer Inks { uvec2 inks[]; };
layout(std430, binding = 1) buffer Target { uint target[]; };
layout(std430, binding = 2) buffer Kept { uint kept[]; };

layout(push_constant) uniform Geometry {
  ivec2 first;       // block of 8x2 pixels
  ivec2 blocks;      // how many
  ivec2 size;        // of the surface, px
  ivec2 cursor_at;   // px
  ivec2 cursor_size;
  ivec2 clip_at;     // the picture's box, px
  ivec2 clip_size;
  int luma_pitch;    // 32-bit words, as the following
  int chroma_pitch;
  int u_offset;
  int v_offset;
} g;

// y, u, v, keep of the cursor's pixel at a place of the surface.
ivec4 ink(ivec2 at) {
  ivec2 p = at - g.cursor_at;
  if (any(lessThan(p, ivec2(0))) || any(greaterThanEqual(p, g.cursor_size))) return ivec4(0, 0, 0, 1 << kKeepBits);
  uvec2 word = inks[p.y * g.cursor_size.x + p.x];
  return ivec4(int(word.x << 16) >> 16, int(word.x) >> 16, int(word.y << 16) >> 16, int(word.y >> 16));
}

bool clipped(ivec2 at) {
  return any(lessThan(at, g.clip_at)) || any(greaterThanEqual(at, g.clip_at + g.clip_size));
}

// The sums over the six pixels of a 4:2:0 chroma sample: u, v, keep.
ivec3 chroma_ink(ivec2 c) {
  ivec2 last = g.clip_at + g.clip_size - 1;
  ivec3 sum = ivec3(0);
  [[dont_unroll]] for (int dy = 0; dy < 2; ++dy) {
    [[dont_unroll]] for (int dx = -1; dx < 2; ++dx) {
      ivec4 i = ink(ivec2(clamp(2 * c.x + dx, g.clip_at.x, last.x), min(2 * c.y + dy, last.y)));
      sum += i.yzw * (dx == 0 ? 2 : 1);
    }
  }
  return sum;
}

uint blend(uint old, int offset, int added, int keep, int weight_bits) {
  int shift = kKeepBits + weight_bits;
  int before = int(old >> kValueShift) - offset;
  int value = offset + (((added << kInkShift) + before * keep + (1 << (shift - 1))) >> shift);
  return uint(clamp(value, 0, kLargest)) << kValueShift;
}

const int kPerWord = kWide == 0 ? 4 : 2;
const int kSampleBits = kWide == 0 ? 8 : 16;
const uint kMask = kWide == 0 ? 255u : 65535u;
const int kRowWords = kWide == 0 ? 2 : 4;  // of eight samples

// `component`: 0 luma, 1 and 2 chroma of 4:4:4. `at`: the row's first pixel.
void full_row(int word_at, int kept_at, ivec2 at, int component) {
  [[dont_unroll]] for (int w = 0; w < kRowWords; ++w) {
    if (kRestore != 0) {
      target[word_at + w] = kept[kept_at + w];
      continue;
    }
    uint word = target[word_at + w];
    kept[kept_at + w] = word;
    uint result = 0;
    [[dont_unroll]] for (int s = 0; s < kPerWord; ++s) {
      uint old = (word >> (s * kSampleBits)) & kMask;
      ivec2 place = at + ivec2(w * kPerWord + s, 0);
      if (!clipped(place)) {
        ivec4 i = ink(place);
        old = blend(old, component == 0 ? kLumaOffset : kChromaOffset, i[component], i.w, 0);
      }
      result |= old << (s * kSampleBits);
    }
    target[word_at + w] = result;
  }
}

// Four chroma samples of 4:2:0, from sample `c` of its plane on. `component`: 0 U, 1 V, 2 both in turn.
void chroma_row(int word_at, int kept_at, int words, ivec2 c, int component) {
  [[dont_unroll]] for (int w = 0; w < words; ++w) {
    if (kRestore != 0) {
      target[word_at + w] = kept[kept_at + w];
      continue;
    }
    uint word = target[word_at + w];
    kept[kept_at + w] = word;
    uint result = 0;
    [[dont_unroll]] for (int s = 0; s < kPerWord; ++s) {
      int index = w * kPerWord + s;
      ivec2 place = c + ivec2(component == 2 ? index / 2 : index, 0);
      int of = component == 2 ? index % 2 : component;
      uint old = (word >> (s * kSampleBits)) & kMask;
      if (!clipped(2 * place)) {
        ivec3 i = chroma_ink(place);
        old = blend(old, kChromaOffset, i[of], i.z, 3);
      }
      result |= old << (s * kSampleBits);
    }
    target[word_at + w] = result;
  }
}

void main() {
  ivec2 here = ivec2(gl_GlobalInvocationID.xy);
  if (any(greaterThanEqual(here, g.blocks))) return;
  ivec2 block = g.first + here;
  ivec2 place = block * ivec2(8, 2);
  if (any(greaterThanEqual(place, g.size))) return;
  int keep_at = (here.y * g.blocks.x + here.x) * kKept;
  bool second = place.y + 1 < g.size.y;

  // A loop for every repetition: the code stays short, which software renderers compile in a tenth of the time.
  int rows = second ? 2 : 1;
  int row = place.y * g.luma_pitch + block.x * kRowWords;
  [[dont_unroll]] for (int r = 0; r < rows; ++r) {
    full_row(row + r * g.luma_pitch, keep_at + r * kRowWords, place + ivec2(0, r), 0);
  }
  keep_at += 2 * kRowWords;
  if (kSubsampled == 0) {
    row = place.y * g.chroma_pitch + block.x * kRowWords;
    [[dont_unroll]] for (int r = 0; r < rows; ++r) {
      int at = row + r * g.chroma_pitch;
      full_row(g.u_offset + at, keep_at + r * kRowWords, place + ivec2(0, r), 1);
      full_row(g.v_offset + at, keep_at + (2 + r) * kRowWords, place + ivec2(0, r), 2);
    }
  } else if (kInterleaved != 0) {
    chroma_row(g.u_offset + block.y * g.chroma_pitch + block.x * kRowWords, keep_at, kRowWords,
               ivec2(block.x * 4, block.y), 2);
  } else {
    int half_row = kRowWords / 2;
    row = block.y * g.chroma_pitch + block.x * half_row;
    chroma_row(g.u_offset + row, keep_at, half_row, ivec2(block.x * 4, block.y), 0);
    chroma_row(g.v_offset + row, keep_at + half_row, half_row, ivec2(block.x * 4, block.y), 1);
  }
}
