#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// One pass from 32-bit RGB pixels to an encoder's YUV surface: crop, turn, scale, convert, letterbox. An invocation makes 8x2
// pixels: its rows are stored as whole words, so no two invocations touch the same word.
//
// Compiled with and without SOURCE_IMAGE: it samples an image (the driver detiles) or reads a buffer of any stride; and
// with and without SCALED, whose loops would cost the others compile time. With LAYERS it leaves out what layers touch,
// which COMPOSE makes: see layers.glsl and compose.glsl.
// The arithmetic is that of zerocopy/cpu/yuv_coefficients.h, bit for bit.

layout(local_size_x_id = 0, local_size_y_id = 1) in;

layout(constant_id = 2) const int kLayout = 0;       // RgbLayout: 0 bytes, 1 ten bits from bit 0, 2 ten bits from bit 2
layout(constant_id = 3) const int kLoadBytes = 16;   // alignment of the source's pixels: 16, 4 or 1
layout(constant_id = 4) const int kTurned = 0;       // a transform is undone
layout(constant_id = 5) const int kSubsampled = 1;   // 4:2:0
layout(constant_id = 6) const int kInterleaved = 1;  // U and V alternate in the second plane
layout(constant_id = 7) const int kWide = 0;         // 16-bit samples
layout(constant_id = 8) const int kValueShift = 0;   // P010 keeps its 10 bits in the high end
layout(constant_id = 9) const int kShift = 15;
layout(constant_id = 10) const int kLargest = 255;
layout(constant_id = 11) const int kLumaBias = 0;
layout(constant_id = 12) const int kChromaBias = 0;  // for the sum of weight 8 when kSubsampled
layout(constant_id = 13) const int kChromaShift = 18;
layout(constant_id = 14) const int kY0 = 0;
layout(constant_id = 15) const int kY1 = 0;
layout(constant_id = 16) const int kY2 = 0;
layout(constant_id = 17) const int kY3 = 0;
layout(constant_id = 18) const int kU0 = 0;
layout(constant_id = 19) const int kU1 = 0;
layout(constant_id = 20) const int kU2 = 0;
layout(constant_id = 21) const int kU3 = 0;
layout(constant_id = 22) const int kV0 = 0;
layout(constant_id = 23) const int kV1 = 0;
layout(constant_id = 24) const int kV2 = 0;
layout(constant_id = 25) const int kV3 = 0;
layout(constant_id = 26) const int kBlackLuma = 16;
layout(constant_id = 27) const int kBlackChroma = 128;
layout(constant_id = 28) const int kTone = 0;  // ToneMap: 0 none, 1 primaries stay, 2 BT.2020 to BT.709
layout(constant_id = 29) const int kRed = 0;   // fields of a pixel
layout(constant_id = 30) const int kGreen = 1;
layout(constant_id = 31) const int kBlue = 2;
layout(constant_id = 32) const int kMain = 1;  // 0 (with LAYERS alone): there are layers only
layout(constant_id = 33) const int kTraits0 = 0;  // of layers, see compose.glsl
layout(constant_id = 34) const int kTraits1 = 0;
layout(constant_id = 35) const int kTraits2 = 0;
layout(constant_id = 36) const int kTraits3 = 0;
layout(constant_id = 37) const int kTraits4 = 0;
layout(constant_id = 38) const int kTraits5 = 0;
layout(constant_id = 39) const int kTraits6 = 0;
layout(constant_id = 40) const int kTraits7 = 0;
layout(constant_id = 41) const int kTraits8 = 0;

#ifdef SOURCE_IMAGE
layout(binding = 0) uniform sampler2D source_image;
#else
layout(std430, binding = 0) readonly buffer Source4 { uvec4 source4[]; };
layout(std430, binding = 0) readonly buffer Source1 { uint source1[]; };
#endif
layout(std430, binding = 1) writeonly buffer Target1 { uint target1[]; };
layout(std430, binding = 1) writeonly buffer Target2 { uvec2 target2[]; };
layout(std430, binding = 1) writeonly buffer Target4 { uvec4 target4[]; };

layout(push_constant) uniform Geometry {
  ivec2 size;           // of the surface, px
  ivec2 box_at;         // where on it the picture is, px, even
  ivec2 box_size;
  ivec2 content;        // px of the turned picture that are used; at most one off the box, whose edge repeats
  ivec2 origin;         // source px of the turned picture's first pixel
  ivec2 step_x;         // source px from a pixel to its right neighbour
  ivec2 step_y;         // and to the one below
  int source_offset;    // bytes
  int source_stride;    // bytes
  int luma_pitch;       // 32-bit words, as the following
  int chroma_pitch;
  int u_offset;
  int v_offset;
  ivec2 shown;          // px of the turned picture before it is scaled
  vec2 ratio;           // of those to one of the box
} g;

ivec4 unpack(uint word) {
  if (kLayout == 0) return ivec4(word & 255u, (word >> 8) & 255u, (word >> 16) & 255u, word >> 24);
  uint fields = kLayout == 2 ? word >> 2 : word;
  return ivec4(fields & 1023u, (fields >> 10) & 1023u, (fields >> 20) & 1023u, 0);
}

ivec4 fetch(ivec2 at) {
#ifdef SOURCE_IMAGE
  return ivec4(texelFetch(source_image, at, 0) * (kLayout == 0 ? 255.0 : 1023.0) + 0.5);
#else
  int byte_at = g.source_offset + at.y * g.source_stride + at.x * 4;
  int word_at = byte_at >> 2;
  if (kLoadBytes >= 4) return unpack(source1[word_at]);
  int bits = (byte_at & 3) * 8;
  if (bits == 0) return unpack(source1[word_at]);
  return unpack((source1[word_at] >> bits) | (source1[word_at + 1] << (32 - bits)));
#endif
}

ivec4 turned(ivec2 at) { return fetch(kTurned == 0 ? g.origin + at : g.origin + at.x * g.step_x + at.y * g.step_y); }

// SMPTE ST 2084; light 1: 10,000 nits.
vec3 light_of(vec3 code) {
  vec3 p = pow(code, vec3(1.0 / 78.84375));
  return pow(max(p - 0.8359375, vec3(0)) / (18.8515625 - 18.6875 * p), vec3(1.0 / 0.1593017578125));
}

// zerocopy/tone_map.h says what this does. Components from 0 to 1; `wide`: from BT.2020's primaries to BT.709's.
vec3 tone_mapped(vec3 code, bool wide) {
  const float peak = 0.7518271;                // 1000 nits
  const float white = 0.5806889 / 0.7518271;   // 203 nits
  const float knee = 1.5 * white - 0.5;
  float largest = max(code.r, max(code.g, code.b));
  if (largest <= 0.0) return code;
  float x = min(largest / peak, 1.0);
  if (x > knee) {
    float t = (x - knee) / (1.0 - knee);
    float t2 = t * t;
    float t3 = t2 * t;
    x = (2.0 * t3 - 3.0 * t2 + 1.0) * knee + (t3 - 2.0 * t2 + t) * (1.0 - knee) + (3.0 * t2 - 2.0 * t3) * white;
  }
  vec3 light = light_of(code) * (light_of(vec3(x * peak)).x / light_of(vec3(largest)).x) / 0.0203;
  if (wide) {
    light = vec3(dot(light, vec3(1.660491, -0.587641, -0.072850)), dot(light, vec3(-0.124550, 1.132900, -0.008349)),
                 dot(light, vec3(-0.018151, -0.100579, 1.118730)));
  }
  return pow(clamp(light, vec3(0), vec3(1)), vec3(1.0 / 2.2));
}

ivec4 toned(ivec4 p) {
  if (kTone == 0) return p;
  float most = kLayout == 0 ? 255.0 : 1023.0;
  ivec3 shown = ivec3(tone_mapped(vec3(p[kRed], p[kGreen], p[kBlue]) / most, kTone == 2) * most + 0.5);
  p[kRed] = shown.r;
  p[kGreen] = shown.g;
  p[kBlue] = shown.b;
  return p;
}

#ifdef SCALED
// The pixels behind one of the box, along one axis: those it covers when the picture shrinks, the two around its middle
// when it grows. `from` and `to` bound the stretch of the source it stands for, in source pixels.
void stretch(int at, float ratio, out float from, out float to) {
  float middle = (float(at) + 0.5) * ratio;
  float half_width = 0.5 * max(ratio, 1.0);
  from = middle - half_width;
  to = middle + half_width;
}

ivec4 scaled(ivec2 at) {
  float x0, x1, y0, y1;
  stretch(at.x, g.ratio.x, x0, x1);
  stretch(at.y, g.ratio.y, y0, y1);
  vec4 sum = vec4(0);
  for (int y = int(floor(y0)); float(y) < y1; ++y) {
    float rows = min(float(y + 1), y1) - max(float(y), y0);
    vec4 row = vec4(0);
    for (int x = int(floor(x0)); float(x) < x1; ++x) {
      float columns = min(float(x + 1), x1) - max(float(x), x0);
      row += columns * vec4(turned(clamp(ivec2(x, y), ivec2(0), g.shown - 1)));
    }
    sum += rows * row;
  }
  return ivec4(sum / ((x1 - x0) * (y1 - y0)) + 0.5);
}

ivec4 pixel(ivec2 at) { return toned(scaled(at)); }
#else
ivec4 pixel(ivec2 at) { return toned(turned(at)); }
#endif

int sum(ivec4 p, int w0, int w1, int w2, int w3) { return p.x * w0 + p.y * w1 + p.z * w2 + p.w * w3; }
int luma(ivec4 p) { return min((sum(p, kY0, kY1, kY2, kY3) + kLumaBias) >> kShift, kLargest); }
ivec2 chroma(ivec4 p) {
  return min(ivec2(sum(p, kU0, kU1, kU2, kU3) + kChromaBias, sum(p, kV0, kV1, kV2, kV3) + kChromaBias) >> kChromaShift,
             ivec2(kLargest));
}

uint pack_bytes(int a, int b, int c, int d) { return uint(a | (b << 8) | (c << 16) | (d << 24)); }
uint pack_words(int a, int b) { return uint((a | (b << 16)) << kValueShift); }

#ifdef LAYERS
// The same surface without its layers, to draw others onto later.
layout(std430, binding = 12) writeonly buffer Beneath1 { uint beneath1[]; };
layout(std430, binding = 12) writeonly buffer Beneath2 { uvec2 beneath2[]; };
layout(std430, binding = 12) writeonly buffer Beneath4 { uvec4 beneath4[]; };
bool to_target = true;
bool to_beneath = false;
void put1(int at, uint word) {
  if (to_target) target1[at] = word;
  if (to_beneath) beneath1[at] = word;
}
void put2(int at, uvec2 words) {
  if (to_target) target2[at] = words;
  if (to_beneath) beneath2[at] = words;
}
void put4(int at, uvec4 words) {
  if (to_target) target4[at] = words;
  if (to_beneath) beneath4[at] = words;
}
#else
void put1(int at, uint word) { target1[at] = word; }
void put2(int at, uvec2 words) { target2[at] = words; }
void put4(int at, uvec4 words) { target4[at] = words; }
#endif

// `at` in words; a row's samples from column 8n on.
void store8(int at, int v[8]) {
  if (kWide == 0) {
    put2(at >> 1, uvec2(pack_bytes(v[0], v[1], v[2], v[3]), pack_bytes(v[4], v[5], v[6], v[7])));
  } else {
    put4(at >> 2,
         uvec4(pack_words(v[0], v[1]), pack_words(v[2], v[3]), pack_words(v[4], v[5]), pack_words(v[6], v[7])));
  }
}
void store4(int at, int v[4]) {
  if (kWide == 0) {
    put1(at, pack_bytes(v[0], v[1], v[2], v[3]));
  } else {
    put2(at >> 1, uvec2(pack_words(v[0], v[1]), pack_words(v[2], v[3])));
  }
}

bool barred(ivec2 at) { return any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, g.box_size)); }

void load_row(ivec2 at, out ivec4 p[8]) {
#if !defined(SOURCE_IMAGE) && !defined(SCALED)
  if (kLoadBytes == 16 && kTurned == 0) {
    ivec2 from = g.origin + at;
    int quad = (g.source_offset + from.y * g.source_stride + from.x * 4) >> 4;
    uvec4 a = source4[quad];
    uvec4 b = source4[quad + 1];
    p[0] = toned(unpack(a.x));
    p[1] = toned(unpack(a.y));
    p[2] = toned(unpack(a.z));
    p[3] = toned(unpack(a.w));
    p[4] = toned(unpack(b.x));
    p[5] = toned(unpack(b.y));
    p[6] = toned(unpack(b.z));
    p[7] = toned(unpack(b.w));
    return;
  }
#endif
  for (int i = 0; i < 8; ++i) p[i] = pixel(at + ivec2(i, 0));
}

// The chroma sample at a place of its own plane, from the six pixels around it; beyond the picture its edge counts on.
ivec2 chroma_420(ivec2 c) {
  c = clamp(c, ivec2(0), ((g.content + 1) >> 1) - 1);
  ivec4 six = ivec4(0);
  for (int row = 0; row < 2; ++row) {
    int y = min(2 * c.y + row, g.content.y - 1);
    six += pixel(ivec2(max(2 * c.x - 1, 0), y)) + 2 * pixel(ivec2(2 * c.x, y)) +
           pixel(ivec2(min(2 * c.x + 1, g.content.x - 1), y));
  }
  return chroma(six);
}

// U and V of both rows (4:4:4), or of four samples in the first of each (4:2:0).
void make_block(ivec2 place, out int y[2][8], out int u[2][8], out int v[2][8]) {
  ivec2 at = place - g.box_at;
  bool inner = all(greaterThanEqual(at, ivec2(0))) && all(lessThanEqual(at + ivec2(8, 2), g.content));
  if (inner) {
    ivec4 p[2][8];
    load_row(at, p[0]);
    load_row(at + ivec2(0, 1), p[1]);
    for (int r = 0; r < 2; ++r) {
      for (int i = 0; i < 8; ++i) y[r][i] = luma(p[r][i]);
    }
    if (kSubsampled != 0) {
      int left_x = max(at.x - 1, 0);
      ivec4 left = pixel(ivec2(left_x, at.y)) + pixel(ivec2(left_x, at.y + 1));
      for (int i = 0; i < 4; ++i) {
        ivec4 centre = p[0][2 * i] + p[1][2 * i];
        ivec4 right = p[0][2 * i + 1] + p[1][2 * i + 1];
        ivec2 uv = chroma(left + 2 * centre + right);
        u[0][i] = uv.x;
        v[0][i] = uv.y;
        left = right;
      }
    } else {
      for (int r = 0; r < 2; ++r) {
        for (int i = 0; i < 8; ++i) {
          ivec2 uv = chroma(p[r][i]);
          u[r][i] = uv.x;
          v[r][i] = uv.y;
        }
      }
    }
  } else {
    for (int r = 0; r < 2; ++r) {
      for (int i = 0; i < 8; ++i) {
        ivec2 q = at + ivec2(i, r);
        bool black = barred(q);
        ivec4 p = pixel(clamp(q, ivec2(0), g.content - 1));
        y[r][i] = black ? kBlackLuma : luma(p);
        if (kSubsampled == 0) {
          ivec2 uv = black ? ivec2(kBlackChroma) : chroma(p);
          u[r][i] = uv.x;
          v[r][i] = uv.y;
        }
      }
    }
    if (kSubsampled != 0) {
      for (int i = 0; i < 4; ++i) {
        ivec2 q = at + ivec2(2 * i, 0);
        ivec2 uv = barred(q) ? ivec2(kBlackChroma) : chroma_420(q >> 1);
        u[0][i] = uv.x;
        v[0][i] = uv.y;
      }
    }
  }
}

void store_block(ivec2 block, int y[2][8], int u[2][8], int v[2][8]) {
  ivec2 place = block * ivec2(8, 2);
  int words = kWide == 0 ? 2 : 4;  // of eight samples
  bool second = place.y + 1 < g.size.y;
  int first = place.y * g.luma_pitch + block.x * words;
  store8(first, y[0]);
  if (second) store8(first + g.luma_pitch, y[1]);
  if (kSubsampled == 0) {
    int row = place.y * g.chroma_pitch + block.x * words;
    store8(g.u_offset + row, u[0]);
    store8(g.v_offset + row, v[0]);
    if (second) {
      store8(g.u_offset + row + g.chroma_pitch, u[1]);
      store8(g.v_offset + row + g.chroma_pitch, v[1]);
    }
  } else if (kInterleaved != 0) {
    int uv[8] = int[8](u[0][0], v[0][0], u[0][1], v[0][1], u[0][2], v[0][2], u[0][3], v[0][3]);
    store8(g.u_offset + block.y * g.chroma_pitch + block.x * words, uv);
  } else {
    int row = block.y * g.chroma_pitch + block.x * (words / 2);
    store4(g.u_offset + row, int[4](u[0][0], u[0][1], u[0][2], u[0][3]));
    store4(g.v_offset + row, int[4](v[0][0], v[0][1], v[0][2], v[0][3]));
  }
}

#define LOOP [[dont_unroll]]
#ifdef LAYERS
#include "layers.glsl"
#endif
#ifdef COMPOSE
#include "compose.glsl"
#else
void main() {
  ivec2 block = ivec2(gl_GlobalInvocationID.xy);
  ivec2 place = block * ivec2(8, 2);
  if (any(greaterThanEqual(place, g.size))) return;
  int y[2][8];
  int u[2][8];
  int v[2][8];
#ifdef LAYERS
  to_target = !composed(place, ivec2(8, 2));
  to_beneath = layer_count.y != 0;
  if (!to_target && !to_beneath) return;
  if (kMain == 0) {
    without_main(place, y, u, v);
  } else {
    make_block(place, y, u, v);
  }
#else
  make_block(place, y, u, v);
#endif
  store_block(block, y, u, v);
}
#endif
