#!/usr/bin/python3
"""check.py FILE [--pictures pattern|mark|vivid] [--inset X,Y,W,H] [--once-shown]: what is in a recording of the guest,
as JSON.

Decodes with FFmpeg's own program. Shares no code with zerocast. It reads the pictures
  pattern  of clients/pattern.cpp: three strips that show one number, and colour bars
  mark     of zerocast-test-producer: 16 x 8 square cells in the top left corner, white for 1, row by row: 32 bits
           number, 64 bits nanoseconds, 32 bits CRC-32 of these three words, each little-endian
  vivid    of the kernel's virtual camera: colour bars, and in the first line of text, in the kernel's font of 8x16, the
           picture's number behind the time; its text covers all but the lowest bars of small pictures
and in --inset those of the camera, scaled, without their numbers.

torn: strips of one picture that differ; back: numbers that fall; repeated: a number twice in a row; skipped: numbers
that are missing; illegible: a bit that is neither black nor white; bars_wrong: pictures with a bar more than 4 of 255
off; inset.right: pictures whose inset is right, inset.wrong: those after the first of these whose inset is not.
kept: a number again because nothing else came for a second, which a recorder with a least rate does.
before: with --once-shown, pictures before the first right one, which are not judged: an empty monitor, and a window that
is still being opened. Every one behind it is.
"""
import argparse
import json
import statistics
import subprocess
import sys
import zlib

import numpy

PATTERN = [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255),
           (64, 64, 64)]
# vivid's first pattern, "75% Colorbar", as sRGB (vivid-tpg-colors.c).
VIVID = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0)]
# Digits of the kernel's font (lib/fonts/font_8x16.c), their rows 2 to 11.
DIGITS = [bytes.fromhex(rows) for rows in
          ("386cc6c6d6d6c6c66c38", "1838781818181818187e", "7cc6060c183060c0c6fe", "7cc606063c060606c67c",
           "0c1c3c6cccfe0c0c0c1e", "fec0c0c0fc060606c67c", "3860c0c0fcc6c6c6c67c", "fec606060c1830303030",
           "7cc6c6c67cc6c6c6c67c", "7cc6c6c67e0606060c78")]
# Where vivid writes it (vivid_fillbuff): 16 px from the left and from the top, behind " hh:mm:ss:ms ".
NUMBER_LEFT, NUMBER_TOP, MOST_DIGITS = 16 + 14 * 8, 16 + 2, 6
BITS = 16
TOLERANCE = 4
KEPT_AFTER = 0.9  # seconds; the least rate is one picture a second


def limited_bt709(colour):
    red, green, blue = (value / 255 for value in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def run(*command):
    return subprocess.run(command, capture_output=True, check=False)


def probe(path):
    answer = run("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
                 "stream=width,height,codec_name,pix_fmt,color_space,color_range", "-of", "json", path)
    streams = json.loads(answer.stdout or b"{}").get("streams", [])
    return streams[0] if streams else None


def times(path):
    answer = run("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of",
                 "csv=p=0", path)
    return sorted(float(word) for word in answer.stdout.decode().replace(",", " ").split() if word != "N/A")


def pictures(path, width, height):
    """The planes of each decoded picture, in 8 bit 4:2:0."""
    decoder = subprocess.Popen(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f",
                                "rawvideo", "-pix_fmt", "yuv420p", "-"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    half = ((height + 1) // 2, (width + 1) // 2)
    luma, chroma = width * height, half[0] * half[1]
    while True:
        data = decoder.stdout.read(luma + 2 * chroma)
        if len(data) < luma + 2 * chroma:
            break
        plane = numpy.frombuffer(data, numpy.uint8)
        yield (plane[:luma].reshape(height, width), plane[luma:luma + chroma].reshape(half),
               plane[luma + chroma:].reshape(half))
    decoder.stdout.close()
    decoder.wait()


def number_of(luma, top, strip):
    """The strip's number; -1 where a bit is neither. Edges are left out: scaling blurs them."""
    width = luma.shape[1]
    rows = luma[top + strip // 4:top + strip - strip // 4]
    number = 0
    for cell in range(BITS):
        left, right = cell * width // BITS, (cell + 1) * width // BITS
        quarter = (right - left) // 4
        mean = rows[:, left + quarter:right - quarter].mean()
        if 90 < mean < 160:
            return -1
        number = number << 1 | int(mean > 125)
    return number


def mark_of(luma):
    """The number in the test producer's mark; -1 where its checksum does not fit."""
    cell = max(1, min(16, luma.shape[1] // 16, luma.shape[0] // 8))
    bits = 0
    for row in range(8):
        for column in range(16):
            part = luma[row * cell + cell // 4:(row + 1) * cell - cell // 4,
                        column * cell + cell // 4:(column + 1) * cell - cell // 4]
            bits = bits << 1 | int(part.mean() > 125)
    words = [bits >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]
    return words[0] if zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words[:3])) == words[3] else -1


def camera_number(luma):
    """The number in the camera's text; -1 where it is none."""
    glyphs = [numpy.unpackbits(numpy.frombuffer(digit, numpy.uint8)).reshape(10, 8) for digit in DIGITS]
    number = -1
    for left in range(NUMBER_LEFT, NUMBER_LEFT + MOST_DIGITS * 8, 8):
        cell = luma[NUMBER_TOP:NUMBER_TOP + 10, left:left + 8] > 125
        wrong = [int((cell != glyph).sum()) for glyph in glyphs]
        if min(wrong) > 4:
            break
        number = 10 * max(number, 0) + wrong.index(min(wrong))
    return number


def worst_bar(planes, colours, inset=None):
    """How far the worst bar is off, in code values, below the moving block. inset: only there."""
    if inset:
        left, top, width, height = inset
        planes = [plane[top // part:(top + height) // part, left // part:(left + width) // part]
                  for plane, part in zip(planes, (1, 2, 2))]
    luma, blue, red = planes
    height, width = luma.shape
    top, bottom = (int(height * part) for part in ((0.85, 0.97) if colours is VIVID else (0.70, 0.85)))
    worst = 0.0
    for index, colour in enumerate(colours):
        left, right = index * width // len(colours), (index + 1) * width // len(colours)
        quarter = (right - left) // 4
        left, right = left + quarter, right - quarter
        part = [luma[top:bottom, left:right], blue[top // 2:bottom // 2, left // 2:right // 2],
                red[top // 2:bottom // 2, left // 2:right // 2]]
        for plane, wanted in zip(part, limited_bt709(colour)):
            worst = max(worst, abs(float(plane.mean()) - wanted))
    return worst


def jitter(stamps):
    """How far intervals are from the nearest whole number of the shortest usual one, in ms: p99."""
    gaps = [1000 * (b - a) for a, b in zip(stamps, stamps[1:])]
    if len(gaps) < 10:
        return None
    beat = statistics.median(gaps)
    off = sorted(abs(gap - max(1, round(gap / beat)) * beat) for gap in gaps)
    return round(off[int(len(off) * 0.99)], 2)


def check(path, kind, inset=None, once_shown=False):
    stream = probe(path)
    if stream is None:
        return {"file": path, "pictures": 0, "error": "no video"}
    width, height = stream["width"], stream["height"]
    numbers, torn, illegible, bars_wrong, worst, before = [], 0, 0, 0, 0.0, 0
    strip = height // 12
    layer = {"right": 0, "wrong": 0, "worst": 0.0}
    for planes in pictures(path, width, height):
        off = worst_bar(planes, VIVID if kind == "vivid" else PATTERN) if kind != "mark" else 0.0
        if kind == "vivid":
            seen = [camera_number(planes[0])]
        elif kind == "mark":
            seen = [mark_of(planes[0])]
        else:
            seen = [number_of(planes[0], top, strip) for top in (0, (height - strip) // 2, height - strip)]
        if once_shown and not numbers and (-1 in seen or len(set(seen)) > 1 or off > TOLERANCE):
            before += 1
            continue
        worst = max(worst, off)
        bars_wrong += off > TOLERANCE
        if inset:
            off = worst_bar(planes, VIVID, inset)
            if off <= TOLERANCE:
                layer["right"] += 1
            elif layer["right"]:
                layer["wrong"] += 1
                layer["worst"] = max(layer["worst"], round(off, 1))
        illegible += -1 in seen
        torn += -1 not in seen and len(set(seen)) > 1
        numbers.append(seen[0])
    pairs = list(zip(numbers, numbers[1:]))
    stamps = times(path)[before:]
    gaps = [b - a for a, b in zip(stamps, stamps[1:])]
    again = [gap for (a, b), gap in zip(pairs, gaps) if a == b]
    kept = sum(gap >= KEPT_AFTER for gap in again)
    return {
        "codec": stream["codec_name"], "format": stream["pix_fmt"], "width": width, "height": height,
        "colour": stream.get("color_space"), "range": stream.get("color_range"),
        "pictures": len(numbers), "distinct": len(set(numbers)),
        "first": numbers[0] if numbers else None, "last": numbers[-1] if numbers else None,
        "torn": torn, "illegible": illegible, "back": sum(b < a for a, b in pairs),
        "repeated": len(again) - kept, "kept": kept, "skipped": sum(max(0, b - a - 1) for a, b in pairs),
        "bars_wrong": bars_wrong, "bars_worst": round(worst, 1),
        "seconds": round(stamps[-1] - stamps[0], 3) if stamps else 0,
        "longest_gap_ms": round(1000 * max(gaps)) if gaps else 0,
        "beat_ms": round(1000 * statistics.median(gaps), 2) if gaps else None,
        "jitter_p99_ms": jitter(stamps),
    } | ({"inset": layer} if inset else {}) | ({"before": before} if once_shown else {})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--pictures", choices=("pattern", "mark", "vivid"), default="pattern")
    parser.add_argument("--inset", type=lambda text: tuple(int(word) for word in text.split(",")))
    parser.add_argument("--once-shown", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(check(arguments.file, arguments.pictures, arguments.inset, arguments.once_shown)))


if __name__ == "__main__":
    sys.exit(main())
