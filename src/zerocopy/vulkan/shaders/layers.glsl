// Pictures above the main one, blended in RGB before the conversion; media/layer.h says how. Part of rgb_to_yuv.comp,
// compiled in where there are layers. What a layer's picture lies in is told with it, not compiled in; blocks that no
// layer touches go the way of pictures without any.

const int kSlots = 9;       // LayerTable::kSlots
const int kImage = 0;       // LayerKind: sampled, components come out as red, green, blue, alpha
const int kYuv = 4;         // samples in memory; 1 to 3: 32-bit pixels there, of RgbLayout + 1

// LayerGeometry, member by member.
struct Layer {
  ivec4 box;     // px of the surface: left, top, right, bottom
  ivec4 source;  // source px of the turned picture's first pixel; px of the turned picture
  ivec4 steps;   // source px from a pixel to its right neighbour, and to the one below
  ivec4 kind;    // LayerKind; bits: 1 opaque, 2 has alpha, 4 wide samples; ToneMap; DirectCopy
  ivec4 offset;  // bytes: of a component's first sample each (32-bit pixels: the first only); unused low bits of samples
  ivec4 stride;  // bytes: from row to row of each component; last chroma column
  ivec4 pitch;   // bytes: from sample to sample of each component; log2 of the subsampling, x + 2 * y
  ivec4 fields;  // of a 32-bit pixel: red, green, blue, alpha
  vec4 look;     // source px to one of the box, across and down; opacity; radius in px
  vec4 red;      // weights of the three components as they are, and an offset: 0 to 1
  vec4 green;
  vec4 blue;
};
layout(std140, binding = 2) uniform Layers {
  ivec4 layer_count;  // and whether the main picture is kept
  Layer layers[kSlots];
};
layout(std430, binding = 3) readonly buffer LayerWords { uint words[]; } layer_words[kSlots];
layout(binding = 4) uniform sampler2D layer_images[kSlots];

// Bindings are chosen by constants: not every driver takes an index that differs between invocations.
uint layer_word(int l, int at) {
  switch (l) {
    case 0: return layer_words[0].words[at];
    case 1: return layer_words[1].words[at];
    case 2: return layer_words[2].words[at];
    case 3: return layer_words[3].words[at];
    case 4: return layer_words[4].words[at];
    case 5: return layer_words[5].words[at];
    case 6: return layer_words[6].words[at];
    case 7: return layer_words[7].words[at];
    default: return layer_words[8].words[at];
  }
}

vec4 layer_image(int l, ivec2 at) {
  switch (l) {
    case 0: return texelFetch(layer_images[0], at, 0);
    case 1: return texelFetch(layer_images[1], at, 0);
    case 2: return texelFetch(layer_images[2], at, 0);
    case 3: return texelFetch(layer_images[3], at, 0);
    case 4: return texelFetch(layer_images[4], at, 0);
    case 5: return texelFetch(layer_images[5], at, 0);
    case 6: return texelFetch(layer_images[6], at, 0);
    case 7: return texelFetch(layer_images[7], at, 0);
    default: return texelFetch(layer_images[8], at, 0);
  }
}

// A sample of the word that holds it.
int layer_sample(Layer p, uint word, int byte_at) {
  word >>= (byte_at & 3) * 8;
  return int((p.kind.y & 4) != 0 ? (word & 65535u) >> p.offset.w : word & 255u);
}

vec4 layer_rgb(Layer p, uint word) {
  if (p.kind.x == 1) {
    uvec4 bytes = uvec4(word, word >> 8, word >> 16, word >> 24) & 255u;
    ivec4 f = p.fields;
    return vec4(bytes[f.x], bytes[f.y], bytes[f.z], bytes[f.w]) / 255.0;
  }
  bool high = p.kind.x == 3;
  uint three = high ? word >> 2 : word;
  uvec3 tens = uvec3(three, three >> 10, three >> 20) & 1023u;
  ivec3 f = p.fields.xyz;
  return vec4(vec3(tens[f.x], tens[f.y], tens[f.z]) / 1023.0, float(high ? word & 3u : word >> 30) / 3.0);
}

// A source pixel of the turned picture: red, green, blue times alpha, and alpha; or luma and chroma, 1. Means of either
// are what the mean of the pixels is. One place reads memory, up to five words a pixel: the code stays short, which
// drivers compile in a fraction of the time.
vec4 layer_turned(Layer q, int l, ivec2 turned_at) {
  ivec2 t = clamp(turned_at, ivec2(0), q.source.zw - 1);
  ivec2 at = q.source.xy + t.x * q.steps.xy + t.y * q.steps.zw;
  int kind = q.kind.x;
  vec4 p = vec4(0.0);
  if (kind == kImage) {
    p = layer_image(l, at);
  } else {
    bool yuv = kind == kYuv;
    int shifts = q.pitch.w;
    ivec2 c = at >> ivec2(shifts & 1, shifts >> 1);
    // Chroma is sited on even columns: between two of them it is their mean.
    bool between = (shifts & 1 & at.x) != 0;
    int next = min(c.x + 1, q.stride.w) - c.x;
    int first = q.offset.x + at.y * q.stride.x + at.x * (yuv ? q.pitch.x : 4);
    int u_at = q.offset.y + c.y * q.stride.y + c.x * q.pitch.y;
    int v_at = q.offset.z + c.y * q.stride.z + c.x * q.pitch.z;
    int bits = (first & 3) * 8;
    int reads = yuv ? (between ? 5 : 3) : (bits != 0 ? 2 : 1);
    float half_if = between ? 0.5 : 1.0;
    uint pixel_word = 0u;
    LOOP for (int k = 0; k < reads; ++k) {
      int byte_at = first + 4 * k;
      if (yuv) byte_at = k == 0 ? first : (k & 1) != 0 ? u_at : v_at;
      if (k > 2) byte_at += next * (k == 3 ? q.pitch.y : q.pitch.z);
      uint word = layer_word(l, byte_at >> 2);
      if (yuv) {
        float value = float(layer_sample(q, word, byte_at));
        if (k == 0) {
          p.x = value;
        } else if ((k & 1) != 0) {
          p.y += value * half_if;
        } else {
          p.z += value * half_if;
        }
      } else {
        pixel_word = k == 0 ? word >> bits : pixel_word | word << (32 - bits);
      }
    }
    if (yuv) return vec4(p.xyz, 1.0);
    p = layer_rgb(q, pixel_word);
  }
  if ((q.kind.y & 2) == 0) return vec4(p.rgb, 1.0);
  return vec4(p.rgb * p.a, p.a);
}

// The picture at a pixel of its box, times alpha; as scaled() filters.
vec4 layer_pixel(Layer q, int l, ivec2 at) {
  vec2 ratio = q.look.xy;
  vec2 middle = (vec2(at) + 0.5) * ratio;
  vec2 half_size = 0.5 * max(ratio, vec2(1.0));
  vec2 from = middle - half_size;
  vec2 to = middle + half_size;
  vec4 p = vec4(0.0);
  LOOP for (int y = int(floor(from.y)); float(y) < to.y; ++y) {
    float rows = min(float(y + 1), to.y) - max(float(y), from.y);
    LOOP for (int x = int(floor(from.x)); float(x) < to.x; ++x) {
      p += rows * (min(float(x + 1), to.x) - max(float(x), from.x)) * layer_turned(q, l, ivec2(x, y));
    }
  }
  p /= 4.0 * half_size.x * half_size.y;
  if (q.kind.x == kYuv) {
    p = vec4(clamp(vec3(dot(p, q.red), dot(p, q.green), dot(p, q.blue)), 0.0, 1.0), 1.0);
  }
  int tone = q.kind.z;
  if (tone != 0 && p.a > 0.0) p.rgb = tone_mapped(p.rgb / p.a, tone == 2) * p.a;
  return p;
}

// How much of a pixel of the box lies inside its rounded corners.
float layer_cover(Layer q, ivec2 at) {
  float radius = q.look.w;
  if (radius <= 0.0) return 1.0;
  vec2 p = vec2(at) + 0.5;
  vec2 beyond = max(radius - min(p, vec2(q.box.zw - q.box.xy) - p), vec2(0.0));
  return clamp(radius - length(beyond) + 0.5, 0.0, 1.0);
}

// The layers that are to be seen in a rectangle and in the column on its left that its first chroma sample takes in, a bit
// each; `lowest`: what lies below that one is hidden by it, -1: nothing is.
uint touching(ivec2 place, ivec2 extent, out int lowest) {
  ivec2 left = max(place - ivec2(kSubsampled, 0), ivec2(0));
  ivec2 to = min(place + extent, g.size);
  uint mask = 0u;
  lowest = -1;
  LOOP for (int l = layer_count.x - 1; l >= 0; --l) {
    ivec4 box = layers[l].box;
    if (any(greaterThanEqual(box.xy, to)) || any(lessThanEqual(box.zw, left))) continue;
    // One whose samples are copied has its own chroma.
    ivec2 from = mask == 0u && layers[l].kind.w != 0 ? place : left;
    mask |= 1u << l;
    bool within = all(lessThanEqual(box.xy, from)) && all(greaterThanEqual(box.zw, to));
    if (!within || (layers[l].kind.y & 1) == 0) continue;
    int corner = int(ceil(layers[l].look.w));
    bool across = from.x >= box.x + corner && to.x <= box.z - corner;
    bool down = from.y >= box.y + corner && to.y <= box.w - corner;
    if (!across && !down) continue;
    lowest = l;
    break;
  }
  return mask;
}

const float kMost = kLayout == 0 ? 255.0 : 1023.0;

vec3 rgb_of(vec4 fields) { return vec3(fields[kRed], fields[kGreen], fields[kBlue]); }

// What lies beneath all layers: the main picture, whose edge goes on beyond it, or the bar beside it.
vec3 beneath(ivec2 at, bool bar) {
  if (kMain == 0 || bar) return vec3(0.0);
  return rgb_of(vec4(pixel(clamp(at - g.box_at, ivec2(0), g.content - 1))));
}

// A workgroup composes its pixels together, layer by layer, neighbours beside neighbours: what is told of a layer is
// then the same for all invocations, and its rows are read as they lie. Those of a depth of more than 0 do nothing else:
// a pixel waits for memory more often than it computes. Code values of the main picture, 0 to kMost; the
// red of pixels that show nothing but the lowest layer is kept as -1 - red.
const int kEntries = 1056;
shared float group_red[kEntries];
shared float group_green[kEntries];
shared float group_blue[kEntries];

ivec2 group_extent() { return ivec2(gl_WorkGroupSize.xy) * ivec2(8, 2); }

// An entry is a pixel: row by row, each with the one on its left; then two more columns, see column_entry().
void entry_at(int i, ivec2 origin, out ivec2 at, out bool bar) {
  ivec2 extent = group_extent();
  int wide = extent.x + 1;
  int inner = wide * extent.y;
  at = clamp(origin + ivec2(i % wide - 1, i / wide), ivec2(0), g.size - 1);
  ivec2 sited = at;
  if (i >= inner) {
    int edge = (i - inner) / extent.y;
    sited = ivec2(edge == 0 ? g.box_at.x : g.box_at.x + g.box_size.x, origin.y + (i - inner) % extent.y);
    at = clamp(sited - ivec2(1, 0), ivec2(0), g.size - 1);
  }
  ivec2 of_box = sited - g.box_at;
  bar = any(lessThan(of_box, ivec2(0))) || any(greaterThanEqual(of_box, g.box_size));
}

// The pixel on the left of `at` (px from the workgroup's first), as the chroma sample there takes it in: the main picture
// and the bars beside it do not mix.
int left_entry(ivec2 at, ivec2 origin) {
  ivec2 extent = group_extent();
  int inner = (extent.x + 1) * extent.y;
  int x = origin.x + at.x - g.box_at.x;
  if (kMain != 0 && x == 0) return inner + at.y;
  if (kMain != 0 && x == g.box_size.x) return inner + extent.y + at.y;
  return at.y * (extent.x + 1) + at.x;
}

void compose_group(ivec2 origin, uint mask, int lowest) {
  ivec2 extent = group_extent();
  int count = (extent.x + 1) * extent.y + (kMain != 0 ? 2 * extent.y : 0);
  int step = int(gl_WorkGroupSize.x * gl_WorkGroupSize.y * gl_WorkGroupSize.z);
  int first = int(gl_LocalInvocationIndex);
  LOOP for (int i = first; i < count; i += step) {
    ivec2 at;
    bool bar;
    entry_at(i, origin, at, bar);
    vec3 c = vec3(0.0);
    if (lowest < 0) c = beneath(at, bar);
    group_red[i] = -1.0 - c.r;
    group_green[i] = c.g;
    group_blue[i] = c.b;
  }
  LOOP for (int l = max(lowest, 0); l < layer_count.x; ++l) {
    if ((mask >> l & 1u) == 0u) continue;
    Layer q = layers[l];
    LOOP for (int i = first; i < count; i += step) {
      ivec2 at;
      bool bar;
      entry_at(i, origin, at, bar);
      if (any(lessThan(at, q.box.xy)) || any(greaterThanEqual(at, q.box.zw))) continue;
      vec4 p = layer_pixel(q, l, at - q.box.xy);
      float cover = q.look.z * layer_cover(q, at - q.box.xy);
      float red = group_red[i];
      bool plain = red < 0.0 && (l == 0 || p.a * cover <= 0.0);
      if (red < 0.0) red = -1.0 - red;
      float keep = 1.0 - p.a * cover;
      vec3 c = vec3(red, group_green[i], group_blue[i]) * keep + p.rgb * (cover * kMost);
      group_red[i] = plain ? -1.0 - c.r : c.r;
      group_green[i] = c.g;
      group_blue[i] = c.b;
    }
  }
}

vec3 entry(int i, inout bool plain) {
  float red = group_red[i];
  if (red >= 0.0) plain = false;
  return vec3(red < 0.0 ? -1.0 - red : red, group_green[i], group_blue[i]);
}

int code_of(vec3 c, vec4 weights, int bias, int shift) {
  float one = exp2(float(-shift));
  return clamp(int(floor(dot(c, rgb_of(weights) * one) + float(bias) * one)), 0, kLargest);
}
int luma_of(vec3 c) { return code_of(c, vec4(kY0, kY1, kY2, kY3), kLumaBias, kShift); }
ivec2 chroma_of(vec3 c) {
  return ivec2(code_of(c, vec4(kU0, kU1, kU2, kU3), kChromaBias, kChromaShift),
               code_of(c, vec4(kV0, kV1, kV2, kV3), kChromaBias, kChromaShift));
}

// The samples of a block that are copied: luma from bit 0 on, row by row, then U and V in turn from bit 16 on.
void copy_samples(ivec2 place, Layer q, uint copied, inout int y[2][8], inout int u[2][8], inout int v[2][8]) {
  ivec2 from = q.source.xy;
  ivec2 last = q.source.zw - 1;
  ivec2 at = place - q.box.xy;
  LOOP for (int k = 0; k < 24; ++k) {
    if ((copied >> k & 1u) == 0u) continue;
    ivec2 p = from + clamp(at + ivec2(k & 7, k >> 3), ivec2(0), last);
    int byte_at = q.offset.x + p.y * q.stride.x + p.x * q.pitch.x;
    int i = (k - 16) >> 1;
    if (k >= 16) {
      ivec2 c = (from >> 1) + clamp((at >> 1) + ivec2(i, 0), ivec2(0), last >> 1);
      byte_at = (k & 1) == 0 ? q.offset.y + c.y * q.stride.y + c.x * q.pitch.y
                             : q.offset.z + c.y * q.stride.z + c.x * q.pitch.z;
    }
    int value = layer_sample(q, layer_word(0, byte_at >> 2), byte_at);
    if (q.kind.w == 2) value = min((value + 2) >> 2, kLargest);  // 10 bits to 8
    if (q.kind.w == 3) value <<= 2;
    if (k < 16) {
      y[k >> 3][k & 7] = value;
    } else if ((k & 1) == 0) {
      u[0][i] = value;
    } else {
      v[0][i] = value;
    }
  }
}

// Eight samples that lie behind one another, from a whole word on.
void eight(Layer q, int byte_at, out int values[8]) {
  int word_at = byte_at >> 2;
  bool wide = (q.kind.y & 4) != 0;
  for (int k = 0; k < 4; ++k) {
    if (!wide && k > 1) break;
    uint word = layer_word(0, word_at + k);
    if (wide) {
      values[2 * k] = int((word & 65535u) >> q.offset.w);
      values[2 * k + 1] = int(word >> 16 >> q.offset.w);
    } else {
      for (int i = 0; i < 4; ++i) values[(4 * k + i) & 7] = int(word >> (8 * i) & 255u);
    }
  }
}

// Whole blocks of NV12 and P010 that are the surface's own samples. False: not this one.
bool copy_block(ivec2 place, Layer q, out int y[2][8], out int u[2][8], out int v[2][8]) {
  ivec2 at = place - q.box.xy;
  int bytes = (q.kind.y & 4) != 0 ? 2 : 1;
  ivec2 p = q.source.xy + at;
  int luma = q.offset.x + p.y * q.stride.x + p.x * bytes;
  int chroma = q.offset.y + (p.y >> 1) * q.stride.y + p.x * bytes;
  bool fits = q.kind.w == 1 && q.pitch.y == 2 * bytes && ((luma | chroma | q.stride.x) & 3) == 0 &&
              all(greaterThanEqual(at, ivec2(0))) && all(lessThanEqual(at + ivec2(8, 2), q.source.zw));
  if (!fits) return false;
  int uv[8];
  eight(q, luma, y[0]);
  eight(q, luma + q.stride.x, y[1]);
  eight(q, chroma, uv);
  for (int i = 0; i < 4; ++i) {
    u[0][i] = uv[2 * i];
    v[0][i] = uv[2 * i + 1];
  }
  return true;
}

// A block of 8x2 pixels, from what the workgroup has composed.
void composed_block(ivec2 place, ivec2 origin, bool direct, out int y[2][8], out int u[2][8], out int v[2][8]) {
  int wide = group_extent().x + 1;
  ivec2 at = place - origin;
  uint copied = 0u;
  vec3 left = vec3(0.0);
  bool plain_left = true;
  for (int i = 0; i < 8; i += 2) {
    vec3 centre = vec3(0.0);
    vec3 right = vec3(0.0);
    bool plain_centre = true;
    bool plain_right = true;
    int before = left_entry(at + ivec2(i, 0), origin);
    if (kSubsampled != 0 && (i == 0 || before != at.y * wide + at.x + i)) {
      plain_left = true;
      left = entry(before, plain_left) + entry(left_entry(at + ivec2(i, 1), origin), plain_left);
    }
    for (int r = 0; r < 2; ++r) {
      int e = (at.y + r) * wide + at.x + i + 1;
      bool plain_a = true;
      bool plain_b = true;
      vec3 a = entry(e, plain_a);
      vec3 b = entry(e + 1, plain_b);
      y[r][i] = luma_of(a);
      y[r][i + 1] = luma_of(b);
      if (plain_a) copied |= 1u << (8 * r + i);
      if (plain_b) copied |= 2u << (8 * r + i);
      plain_centre = plain_centre && plain_a;
      plain_right = plain_right && plain_b;
      centre += a;
      right += b;
      if (kSubsampled != 0) continue;
      ivec2 uv_a = chroma_of(a);
      ivec2 uv_b = chroma_of(b);
      u[r][i] = uv_a.x;
      v[r][i] = uv_a.y;
      u[r][i + 1] = uv_b.x;
      v[r][i + 1] = uv_b.y;
    }
    if (kSubsampled != 0) {
      ivec2 uv = chroma_of(left + 2.0 * centre + right);
      u[0][i >> 1] = uv.x;
      v[0][i >> 1] = uv.y;
      if (plain_left && plain_centre && plain_right) copied |= 3u << (16 + i);
    }
    left = right;
    plain_left = plain_right;
  }
  if (direct) copy_samples(place, layers[0], copied, y, u, v);
}
