// What layers touch. Part of rgb_to_yuv.comp, compiled as a program of its own with COMPOSE. An invocation composes 2x2
// pixels, a chroma sample's, and the workgroup puts them together to blocks of 8x2, as they are stored.

// What the program is compiled for, kTraits of each layer.
const int kIsDrawn = 1;
const int kIsImage = 2;   // sampled; neither this nor the next: 32-bit pixels in memory
const int kIsYuv = 4;     // samples in memory
const int kIsPaired = 8;  // U and V lie in one word
const int kHasAlpha = 16;
const int kIsScaled = 32;
const int kIsRound = 64;
const int kIsToned = 128;
const int kIsTurned = 256;
const int kIsHalved = 1024;  // its chroma across, and down
const int kIsHalvedDown = 2048;

layout(binding = 4) uniform sampler2D layer_images[kSlots];

// `l` is a constant wherever these are called, which is what drivers want of a binding's index.
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

// A source pixel of the turned picture: red, green, blue times alpha, and alpha; or luma and chroma, 1. Means of either
// are what the mean of the pixels is.
vec4 layer_turned(int l, int traits, ivec2 turned_at) {
  ivec2 t = clamp(turned_at, ivec2(0), layers[l].source.zw - 1);
  ivec2 at = layers[l].source.xy;
  at += (traits & kIsTurned) != 0 ? t.x * layers[l].steps.xy + t.y * layers[l].steps.zw : t;
  vec4 p;
  if ((traits & kIsImage) != 0) {
    p = layer_image(l, at);
  } else {
    ivec4 pitch = layers[l].pitch;
    int first = layers[l].offset.x + at.y * layers[l].stride.x;
    if ((traits & kIsYuv) != 0) {
      bool wide = (traits & kIsWide) != 0;
      int halved = (traits & kIsHalved) != 0 ? 1 : 0;
      ivec2 c = at >> ivec2(halved, (traits & kIsHalvedDown) != 0 ? 1 : 0);
      // Chroma is sited on even columns: between two of them it is their mean.
      float half_next = (halved & at.x) != 0 ? 0.5 : 0.0;
      int next = min(c.x + 1, layers[l].stride.w) - c.x;
      first += at.x * pitch.x;
      int u_at = layers[l].offset.y + c.y * layers[l].stride.y + c.x * pitch.y;
      int v_at = layers[l].offset.z + c.y * layers[l].stride.z + c.x * pitch.z;
      int next_u_at = u_at + next * pitch.y;
      int next_v_at = v_at + next * pitch.z;
      uint word = layer_word(l, first >> 2);
      uint u_word = layer_word(l, u_at >> 2);
      uint next_u_word = layer_word(l, next_u_at >> 2);
      uint v_word = u_word;
      uint next_v_word = next_u_word;
      if ((traits & kIsPaired) == 0) {
        v_word = layer_word(l, v_at >> 2);
        next_v_word = layer_word(l, next_v_at >> 2);
      }
      int unused = layers[l].offset.w;
      vec2 uv = vec2(layer_sample(wide, unused, u_word, u_at), layer_sample(wide, unused, v_word, v_at));
      vec2 next_uv =
          vec2(layer_sample(wide, unused, next_u_word, next_u_at), layer_sample(wide, unused, next_v_word, next_v_at));
      return vec4(float(layer_sample(wide, unused, word, first)), mix(uv, next_uv, half_next), 1.0);
    }
    first += at.x * 4;
    uint word = layer_word(l, first >> 2);
    int bits = (first & 3) * 8;
    if (bits != 0) word = word >> bits | layer_word(l, (first >> 2) + 1) << (32 - bits);
    p = vec4(uvec4(word) >> uvec4(layers[l].fields) & uvec4(layers[l].red)) * layers[l].green;
  }
  if ((traits & kHasAlpha) == 0) return vec4(p.rgb, 1.0);
  return vec4(p.rgb * p.a, p.a);
}

// Sums of 2x2 luma samples and their chroma, not turned, by the weights of columns and rows.
vec4 yuv_square(int l, int traits, ivec2 at, vec2 columns, vec2 rows) {
  bool wide = (traits & kIsWide) != 0;
  int unused = layers[l].offset.w;
  ivec4 offset = layers[l].offset;
  ivec4 stride = layers[l].stride;
  ivec4 pitch = layers[l].pitch;
  ivec2 last = layers[l].source.zw - 1;
  ivec2 x = layers[l].source.x + clamp(ivec2(at.x, at.x + 1), ivec2(0), last.xx);
  ivec2 y = layers[l].source.y + clamp(ivec2(at.y, at.y + 1), ivec2(0), last.yy);
  vec3 sum = vec3(0.0);
  ivec2 row_at = offset.x + y * stride.x;
  ivec4 luma_at = row_at.xxyy + x.xyxy * pitch.x;
  vec4 weights = columns.xyxy * rows.xxyy;
  for (int i = 0; i < 4; ++i) {
    sum.x += weights[i] * float(layer_sample(wide, unused, layer_word(l, luma_at[i] >> 2), luma_at[i]));
  }
  if ((traits & kIsHalved) != 0) {
    // Chroma is sited on even columns: between two of them it is their mean.
    ivec2 c = x >> 1;
    vec2 odd = vec2(x & 1) * 0.5;
    vec2 of_next = columns * odd;
    columns -= of_next;
    columns = c.x == c.y ? vec2(columns.x + columns.y, of_next.x + of_next.y) : vec2(columns.x, of_next.x + columns.y);
    x = ivec2(c.x, min(c.x + 1, stride.w));
  }
  if ((traits & kIsHalvedDown) != 0) {
    y >>= 1;
    if (y.x == y.y) rows = vec2(rows.x + rows.y, 0.0);
  }
  LOOP for (int r = 0; r < 2; ++r) {
    if (rows[r] == 0.0) continue;
    ivec2 u_at = offset.y + y[r] * stride.y + x * pitch.y;
    ivec2 v_at = offset.z + y[r] * stride.z + x * pitch.z;
    for (int i = 0; i < 2; ++i) {
      uint u_word = layer_word(l, u_at[i] >> 2);
      uint v_word = u_word;
      if ((traits & kIsPaired) == 0) v_word = layer_word(l, v_at[i] >> 2);
      sum.yz += rows[r] * columns[i] *
                vec2(layer_sample(wide, unused, u_word, u_at[i]), layer_sample(wide, unused, v_word, v_at[i]));
    }
  }
  return vec4(sum, (columns.x + columns.y) * (rows.x + rows.y));
}

// How much of `at` and of what follows it is between two places.
vec2 parts(int at, float from, float to) {
  vec2 begin = vec2(at, at + 1);
  return max(min(begin + 1.0, vec2(to)) - max(begin, vec2(from)), vec2(0.0));
}

// The picture at a pixel of its box, times alpha; as scaled() filters.
vec4 layer_pixel(int l, int traits, ivec2 at) {
  vec4 p = vec4(0.0);
  if ((traits & kIsScaled) == 0) {
    p = layer_turned(l, traits, at);
  } else {
    vec2 ratio = layers[l].look.xy;
    vec2 middle = (vec2(at) + 0.5) * ratio;
    vec2 half_size = 0.5 * max(ratio, vec2(1.0));
    vec2 from = middle - half_size;
    vec2 to = middle + half_size;
    // 2x2 at a time, so that more is fetched at once, and no chroma sample twice.
    bool squares = (traits & kIsYuv) != 0 && (traits & kIsTurned) == 0;
    int step = squares ? 2 : 1;
    LOOP for (int y = int(floor(from.y)); float(y) < to.y; y += step) {
      vec2 rows = parts(y, from.y, to.y);
      LOOP for (int x = int(floor(from.x)); float(x) < to.x; x += step) {
        vec2 columns = parts(x, from.x, to.x);
        if (squares) {
          p += yuv_square(l, traits, ivec2(x, y), columns, rows);
        } else {
          p += rows.x * columns.x * layer_turned(l, traits, ivec2(x, y));
        }
      }
    }
    p /= 4.0 * half_size.x * half_size.y;
  }
  if ((traits & kIsYuv) != 0) {
    p = vec4(clamp(vec3(dot(p, layers[l].red), dot(p, layers[l].green), dot(p, layers[l].blue)), 0.0, 1.0), 1.0);
  }
  if ((traits & kIsToned) != 0 && p.a > 0.0) p.rgb = tone_mapped(p.rgb / p.a, layers[l].kind.z == 2) * p.a;
  return p;
}

// How much of a pixel of the box lies inside its rounded corners.
float layer_cover(int l, int traits, ivec2 at) {
  if ((traits & kIsRound) == 0) return 1.0;
  float radius = layers[l].look.w;
  vec2 p = vec2(at) + 0.5;
  vec2 beyond = max(radius - min(p, vec2(layers[l].box.zw - layers[l].box.xy) - p), vec2(0.0));
  return clamp(radius - length(beyond) + 0.5, 0.0, 1.0);
}

const float kMost = kLayout == 0 ? 255.0 : 1023.0;

vec3 rgb_of(vec4 fields) { return vec3(fields[kRed], fields[kGreen], fields[kBlue]); }

// What lies beneath all layers: the main picture, whose edge goes on beyond it, or the bar beside it.
vec3 beneath(ivec2 at, bool bar) {
  if (kMain == 0 || bar) return vec3(0.0);
  return rgb_of(vec4(pixel(clamp(at - g.box_at, ivec2(0), g.content - 1))));
}

// A layer over a pixel.
void blend(int l, int traits, ivec2 at, uint mask, int lowest, inout vec3 c, inout bool plain) {
  if ((traits & kIsDrawn) == 0 || l < lowest || (mask >> l & 1u) == 0u) return;
  ivec4 box = layers[l].box;
  if (any(lessThan(at, box.xy)) || any(greaterThanEqual(at, box.zw))) return;
  vec4 p = layer_pixel(l, traits, at - box.xy);
  float cover = layers[l].look.z * layer_cover(l, traits, at - box.xy);
  plain = plain && (l == 0 || p.a * cover <= 0.0);
  c = c * (1.0 - p.a * cover) + p.rgb * (cover * kMost);
}

// A pixel of the surface in code values of the main picture, 0 to kMost. `plain`: nothing but the lowest layer is seen.
vec3 compose(ivec2 at, bool bar, uint mask, int lowest, out bool plain) {
  vec3 c = vec3(0.0);
  if (lowest < 0) c = beneath(at, bar);
  plain = true;
  // Each layer's code is its own, short and without a choice.
  blend(0, kTraits0, at, mask, lowest, c, plain);
  blend(1, kTraits1, at, mask, lowest, c, plain);
  blend(2, kTraits2, at, mask, lowest, c, plain);
  blend(3, kTraits3, at, mask, lowest, c, plain);
  blend(4, kTraits4, at, mask, lowest, c, plain);
  blend(5, kTraits5, at, mask, lowest, c, plain);
  blend(6, kTraits6, at, mask, lowest, c, plain);
  blend(7, kTraits7, at, mask, lowest, c, plain);
  blend(8, kTraits8, at, mask, lowest, c, plain);
  return c;
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

// Of each invocation: its right column, for the chroma on its right; 1 where that is plain.
const int kInvocations = 256;
shared vec4 columns[kInvocations];
// Likewise the column on the left of the workgroup, pixel by pixel.
const int kRows = 8;
shared vec4 outer_column[kRows];
// Samples of two neighbours each: luma above and below, then U with V, or U above and below and V likewise.
shared uint samples[6 * kInvocations];

// Where a workgroup's first pixel is, one of several areas. Nowhere: there are no more.
ivec2 group_at(int i) {
  if (i >= layer_count.w) return g.size;
  int k = 0;
  LOOP while (k + 1 < layer_count.z && i >= areas[k + 1].w) ++k;
  i -= areas[k].w;
  return (areas[k].xy + ivec2(i % areas[k].z, i / areas[k].z)) * ivec2(gl_WorkGroupSize.xy) * 2;
}

void store_composed(ivec2 origin) {
  int i = int(gl_LocalInvocationIndex);
  int across = int(gl_WorkGroupSize.x) / 4;
  if (i >= across * int(gl_WorkGroupSize.y)) return;
  ivec2 block = origin / ivec2(8, 2) + ivec2(i % across, i / across);
  ivec2 place = block * ivec2(8, 2);
  if (any(greaterThanEqual(place, g.size)) || !composed(place, ivec2(8, 2))) return;
  int y[2][8];
  int u[2][8];
  int v[2][8];
  for (int k = 0; k < 4; ++k) {
    int from = 4 * i + k;
    for (int r = 0; r < 2; ++r) {
      uint word = samples[r * kInvocations + from];
      y[r][2 * k] = int(word & 65535u);
      y[r][2 * k + 1] = int(word >> 16);
      if (kSubsampled != 0) continue;
      word = samples[(2 + r) * kInvocations + from];
      u[r][2 * k] = int(word & 65535u);
      u[r][2 * k + 1] = int(word >> 16);
      word = samples[(4 + r) * kInvocations + from];
      v[r][2 * k] = int(word & 65535u);
      v[r][2 * k + 1] = int(word >> 16);
    }
    if (kSubsampled == 0) continue;
    uint word = samples[2 * kInvocations + from];
    u[0][k] = int(word & 65535u);
    v[0][k] = int(word >> 16);
  }
  store_block(block, y, u, v);
}

void main() {
  ivec2 origin = group_at(int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x));
  int lowest = -1;
  uint mask = 0u;
  if (origin.x < g.size.x) mask = touching(origin, ivec2(gl_WorkGroupSize.xy) * 2, lowest);
  bool any_composed = composed(mask, lowest);

  ivec2 at = origin + ivec2(gl_LocalInvocationID.xy) * 2;
  int own = int(gl_LocalInvocationIndex);
  // The pixels on the left are the neighbour's right ones, but that the main picture and the bars beside it do not mix.
  int beyond = at.x - g.box_at.x;
  bool edge = kMain != 0 && (beyond == 0 || beyond == g.box_size.x);
  bool copies = direct() && lowest == 0;
  bool plain = true;  // of all whose chroma it is
  bool plain_right = true;
  vec3 left = vec3(0.0);
  vec3 centre = vec3(0.0);
  vec3 right = vec3(0.0);
  uint words[6] = uint[6](0u, 0u, 0u, 0u, 0u, 0u);
  if (any_composed) {
    int pixels = kSubsampled != 0 && edge ? 6 : 4;
    bool outer = kSubsampled != 0 && own < 2 * int(gl_WorkGroupSize.y);  // one of outer_column, too
    LOOP for (int i = 0; i < pixels + (outer ? 1 : 0); ++i) {
      int row = i < 4 ? i >> 1 : i - 4;
      int column = i < 4 ? i & 1 : 0;
      ivec2 sited = i < pixels ? at + ivec2(column, row) : origin + ivec2(0, own);
      ivec2 p = clamp(i < 4 ? sited : sited - ivec2(1, 0), ivec2(0), g.size - 1);
      bool plain_one;
      vec3 c = compose(p, barred(sited - g.box_at), mask, lowest, plain_one);
      if (i < 4) {
        int y = copies && plain_one ? copied(p - layers[0].box.xy, 0) : luma_of(c);
        uint place = 16u * uint(column);
        words[0] |= row == 0 ? uint(y) << place : 0u;
        words[1] |= row == 1 ? uint(y) << place : 0u;
        if (kSubsampled == 0) {
          ivec2 uv = chroma_of(c);
          words[2] |= row == 0 ? uint(uv.x) << place : 0u;
          words[3] |= row == 1 ? uint(uv.x) << place : 0u;
          words[4] |= row == 0 ? uint(uv.y) << place : 0u;
          words[5] |= row == 1 ? uint(uv.y) << place : 0u;
        }
      }
      if (i == pixels) {
        outer_column[own] = vec4(c, plain_one ? 1.0 : 0.0);
        break;
      }
      plain = plain && plain_one;
      if (i >= 4) {
        left += c;
      } else if (column == 0) {
        centre += c;
      } else {
        right += c;
        plain_right = plain_right && plain_one;
      }
    }
    columns[own] = vec4(right, plain_right ? 1.0 : 0.0);
  }
  memoryBarrierShared();
  barrier();
  if (any_composed) {
    if (kSubsampled != 0) {
      if (!edge) {
        int row = 2 * int(gl_LocalInvocationID.y);
        bool first = gl_LocalInvocationID.x == 0u;
        vec4 neighbour = first ? outer_column[row] + outer_column[row + 1] : columns[own - 1];
        left = neighbour.rgb;
        plain = plain && neighbour.a == (first ? 2.0 : 1.0);
      }
      ivec2 uv = chroma_of(left + 2.0 * centre + right);
      if (copies && plain) {
        ivec2 of_box = min(at, g.size - 1) - layers[0].box.xy;
        uv = ivec2(copied(of_box, 1), copied(of_box, 2));
      }
      words[2] = uint(uv.x | uv.y << 16);
    }
    for (int k = 0; k < 6; ++k) {
      if (kSubsampled == 0 || k < 3) samples[k * kInvocations + own] = words[k];
    }
  }
  memoryBarrierShared();
  barrier();
  if (any_composed) store_composed(origin);
}
