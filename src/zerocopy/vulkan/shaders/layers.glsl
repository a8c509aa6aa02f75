// Pictures above the main one, blended in RGB before the conversion; media/layer.h says how. Part of rgb_to_yuv.comp,
// compiled in where there are layers. Two programs share a surface then, block by block: what no layer touches goes the
// way of pictures without any, compose.glsl makes the rest.

const int kSlots = 9;     // LayerTable::kSlots
const int kIsWide = 512;  // of a layer's traits, see compose.glsl: 16-bit samples

// LayerGeometry, member by member.
struct Layer {
  ivec4 box;     // px of the surface: left, top, right, bottom
  ivec4 source;  // source px of the turned picture's first pixel; px of the turned picture
  ivec4 steps;   // source px from a pixel to its right neighbour, and to the one below
  ivec4 kind;    // traits, which are compiled in; whether it is opaque; ToneMap; DirectCopy
  ivec4 offset;  // bytes: of a component's first sample each (32-bit pixels: the first only); unused low bits of samples
  ivec4 stride;  // bytes: from row to row of each component; last chroma column
  ivec4 pitch;   // bytes: from sample to sample of each component
  ivec4 fields;  // of a 32-bit pixel: the lowest bits of red, green, blue, alpha
  vec4 look;     // source px to one of the box, across and down; opacity; radius in px
  vec4 red;      // weights of the three components as they are, and an offset: 0 to 1; of 32-bit pixels the largest values
  vec4 green;    // of 32-bit pixels 1 / largest
  vec4 blue;
};
layout(std140, binding = 2) uniform Layers {
  ivec4 layer_count;  // and whether the main picture is kept; areas; their workgroups
  ivec4 areas[kSlots];  // ComposedAreas, member by member
  Layer layers[kSlots];
};
layout(std430, binding = 3) readonly buffer LayerWords { uint words[]; } layer_words[kSlots];

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
    if (!within || layers[l].kind.y == 0) continue;
    int corner = int(ceil(layers[l].look.w));
    bool across = from.x >= box.x + corner && to.x <= box.z - corner;
    bool down = from.y >= box.y + corner && to.y <= box.w - corner;
    if (!across && !down) continue;
    lowest = l;
    break;
  }
  return mask;
}

// The lowest is the main picture, whose samples are copied.
bool direct() { return kMain == 0 && layers[0].kind.w != 0; }

// Whether a rectangle is compose.glsl's.
bool composed(uint mask, int lowest) { return mask != 0u && !(direct() && mask == 1u && lowest == 0); }
bool composed(ivec2 place, ivec2 extent) {
  int lowest;
  uint mask = touching(place, extent, lowest);
  return composed(mask, lowest);
}

// A sample of the word that holds it; `unused`: low bits of a wide one.
int layer_sample(bool wide, int unused, uint word, int byte_at) {
  word >>= (byte_at & 3) * 8;
  return int(wide ? (word & 65535u) >> unused : word & 255u);
}

// Luma, U or V of a pixel of the lowest layer's box, to be copied.
int copied(ivec2 at, int component) {
  ivec2 last = layers[0].source.zw - 1;
  ivec2 from = layers[0].source.xy;
  ivec2 p = component == 0 ? from + clamp(at, ivec2(0), last) : (from >> 1) + clamp(at >> 1, ivec2(0), last >> 1);
  int byte_at =
      layers[0].offset[component] + p.y * layers[0].stride[component] + p.x * layers[0].pitch[component];
  bool wide = (layers[0].kind.x & kIsWide) != 0;
  int value = layer_sample(wide, layers[0].offset.w, layer_words[0].words[byte_at >> 2], byte_at);
  if (layers[0].kind.w == 2) return min((value + 2) >> 2, kLargest);  // 10 bits to 8
  return layers[0].kind.w == 3 ? value << 2 : value;
}

#ifndef COMPOSE
// Eight samples that lie behind one another, from a whole word on.
void eight(int byte_at, out int values[8]) {
  int word_at = byte_at >> 2;
  bool wide = (layers[0].kind.x & kIsWide) != 0;
  for (int k = 0; k < 4; ++k) {
    if (!wide && k > 1) break;
    uint word = layer_words[0].words[word_at + k];
    if (wide) {
      values[2 * k] = int((word & 65535u) >> layers[0].offset.w);
      values[2 * k + 1] = int(word >> 16 >> layers[0].offset.w);
    } else {
      for (int i = 0; i < 4; ++i) values[(4 * k + i) & 7] = int(word >> (8 * i) & 255u);
    }
  }
}

// Whole blocks of NV12 and P010 that are the surface's own samples. False: not this one.
bool copy_block(ivec2 at, out int y[2][8], out int u[2][8], out int v[2][8]) {
  int bytes = (layers[0].kind.x & kIsWide) != 0 ? 2 : 1;
  ivec2 p = layers[0].source.xy + at;
  int stride = layers[0].stride.x;
  int luma = layers[0].offset.x + p.y * stride + p.x * bytes;
  int chroma = layers[0].offset.y + (p.y >> 1) * layers[0].stride.y + p.x * bytes;
  bool fits = layers[0].kind.w == 1 && layers[0].pitch.y == 2 * bytes && ((luma | chroma | stride) & 3) == 0 &&
              all(greaterThanEqual(at, ivec2(0))) && all(lessThanEqual(at + ivec2(8, 2), layers[0].source.zw));
  if (!fits) return false;
  int uv[8];
  eight(luma, y[0]);
  eight(luma + stride, y[1]);
  eight(chroma, uv);
  for (int i = 0; i < 4; ++i) {
    u[0][i] = uv[2 * i];
    v[0][i] = uv[2 * i + 1];
  }
  return true;
}

// A block without a main picture in RGB: its own samples, or black.
void without_main(ivec2 place, out int y[2][8], out int u[2][8], out int v[2][8]) {
  ivec2 at = place - layers[0].box.xy;
  int lowest;
  bool black = !direct() || touching(place, ivec2(8, 2), lowest) == 0u;
  if (!black && copy_block(at, y, u, v)) return;
  LOOP for (int i = 0; i < 16; ++i) {
    int row = i >> 3;
    int x = i & 7;
    y[row][x] = black ? kBlackLuma : copied(at + ivec2(x, row), 0);
    // Only 4:2:0 is copied, where the first row's first four are there.
    ivec2 of_chroma = at + ivec2(2 * x, 0);
    u[row][x] = black ? kBlackChroma : copied(of_chroma, 1);
    v[row][x] = black ? kBlackChroma : copied(of_chroma, 2);
  }
}
#endif
