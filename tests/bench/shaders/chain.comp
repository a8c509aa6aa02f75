#version 450
// What programs do that draw a scene source by source: each into the canvas, a 32-bit picture, by a pass of its own.
// An invocation makes one pixel of the source's box; the filter is that of our own pass.

layout(local_size_x = 32, local_size_y = 4) in;

layout(constant_id = 0) const int kNv12 = 0;
layout(constant_id = 1) const int kAlpha = 0;   // the pixels' own counts
layout(constant_id = 2) const int kOpaque = 1;  // neither that, nor seen through, nor round corners

layout(std430, binding = 0) readonly buffer Source { uint source[]; };
layout(std430, binding = 1) buffer Canvas { uint canvas[]; };

layout(push_constant) uniform Draw {
  ivec2 at;       // px of the canvas
  ivec2 box;      // px
  ivec2 size;     // px of the source
  int stride;     // 32-bit words, as the following
  int chroma;     // of NV12: where it begins
  int pitch;      // of the canvas
  float opacity;
  float radius;
} d;

uint byte_at(int at) { return (source[at >> 2] >> ((at & 3) * 8)) & 255u; }

vec4 texel(ivec2 p) {
  p = clamp(p, ivec2(0), d.size - 1);
  if (kNv12 == 0) {
    vec4 c = unpackUnorm4x8(source[p.y * d.stride + p.x]);
    return kAlpha == 0 ? vec4(c.rgb, 1.0) : vec4(c.rgb * c.a, c.a);
  }
  int at = d.chroma * 4 + (p.y >> 1) * d.stride * 4 + (p.x & ~1);
  return vec4(float(byte_at(p.y * d.stride * 4 + p.x)), float(byte_at(at)), float(byte_at(at + 1)), 1.0);
}

void main() {
  ivec2 p = ivec2(gl_GlobalInvocationID.xy);
  if (any(greaterThanEqual(p, d.box))) return;
  vec2 ratio = vec2(d.size) / vec2(d.box);
  vec4 c = vec4(0.0);
  if (ratio == vec2(1.0)) {
    c = texel(p);
  } else {
    vec2 middle = (vec2(p) + 0.5) * ratio;
    vec2 half_size = 0.5 * max(ratio, vec2(1.0));
    vec2 from = middle - half_size;
    vec2 to = middle + half_size;
    for (int y = int(floor(from.y)); float(y) < to.y; ++y) {
      float rows = min(float(y + 1), to.y) - max(float(y), from.y);
      for (int x = int(floor(from.x)); float(x) < to.x; ++x) {
        c += rows * (min(float(x + 1), to.x) - max(float(x), from.x)) * texel(ivec2(x, y));
      }
    }
    c /= 4.0 * half_size.x * half_size.y;
  }
  if (kNv12 != 0) {  // BT.709, limited
    float y = (c.x - 16.0) / 219.0;
    float u = (c.y - 128.0) / 224.0;
    float v = (c.z - 128.0) / 224.0;
    c = vec4(clamp(vec3(y + 1.8556 * u, y - 0.187324 * u - 0.468124 * v, y + 1.5748 * v), 0.0, 1.0), 1.0);
  }
  int at = (d.at.y + p.y) * d.pitch + d.at.x + p.x;
  if (kOpaque != 0) {
    canvas[at] = packUnorm4x8(c);
    return;
  }
  float cover = d.opacity;
  if (d.radius > 0.0) {
    vec2 middle = vec2(p) + 0.5;
    vec2 beyond = max(d.radius - min(middle, vec2(d.box) - middle), vec2(0.0));
    cover *= clamp(d.radius - length(beyond) + 0.5, 0.0, 1.0);
  }
  vec4 below = unpackUnorm4x8(canvas[at]);
  canvas[at] = packUnorm4x8(vec4(below.rgb * (1.0 - c.a * cover) + c.rgb * cover, 1.0));
}
