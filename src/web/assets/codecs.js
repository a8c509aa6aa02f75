/// Which codecs this browser decodes, and in which way.

/// Names as `zerocast` has them, how they are called, and a string of each that every decoder of it should know:
/// 1920x1080 at 60, in the plainest profile.
const kCodecs = [
  ['h264', 'H.264', 'avc1.42C02A'],
  ['hevc', 'HEVC', 'hvc1.1.6.L123.B0'],
  ['av1', 'AV1', 'av01.0.09M.08'],
];

export const MediaSourceHere = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
export const has_decoder = 'VideoDecoder' in globalThis;

export function codec_title(name) {
  return kCodecs.find(([codec]) => codec === name)?.[1] ?? name.toUpperCase();
}

/// Annex B and raw frames, with WebCodecs.
export async function decodes_packets(codec_string) {
  if (!has_decoder) return false;
  try {
    return (await VideoDecoder.isConfigSupported({codec: codec_string, optimizeForLatency: true})).supported;
  } catch {
    return false;
  }
}

/// MP4, with Media Source.
export function decodes_fragments(type) {
  return MediaSourceHere?.isTypeSupported?.(type) ?? false;
}

/// The names of those that this browser decodes in either way, in the order in which they are asked for.
export async function decoded_codecs() {
  const found = [];
  for (const [name, , string] of kCodecs) {
    if (await decodes_packets(string) || decodes_fragments(`video/mp4; codecs="${string}"`)) found.push(name);
  }
  return found;
}
