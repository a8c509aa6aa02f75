#!/usr/bin/env python3
"""hls-delay.py URL SECONDS: a low-latency player of HLS that shows nothing.

Reloads the playlist as soon as there is another part, fetches that, and prints as JSON when each picture was captured
(by the segment's date and the picture's place in it) and when it was received, in microseconds of the wall clock.
"""

import http.client
import json
import re
import struct
import sys
import time
from datetime import datetime
from urllib.parse import urljoin, urlsplit

PICTURES = 1  # their track
CLOCK = 90_000


class Server:
    """One connection, which stays."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)

    def get(self, url):
        parts = urlsplit(url)
        self.connection.request("GET", f"{parts.path}?{parts.query}")
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{url}: {answer.status} {body.decode(errors='replace')}")
        return body


def boxes(data):
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def picture_times(part):
    """When its pictures are decoded, in ticks of the stream."""
    for kind, moof in boxes(part):
        if kind != b"moof":
            continue
        for traf in (body for kind, body in boxes(moof) if kind == b"traf"):
            found = dict(boxes(traf))
            if struct.unpack_from(">I", found[b"tfhd"], 4)[0] != PICTURES:
                continue
            when = struct.unpack_from(">Q", found[b"tfdt"], 4)[0]
            run = found[b"trun"]
            for sample in range(struct.unpack_from(">I", run, 4)[0]):
                yield when
                when += struct.unpack_from(">I", run, 12 + 16 * sample)[0]


def told(playlist):
    """The parts in a playlist: URI and their segment's date, in microseconds."""
    date = None
    for line in playlist.splitlines():
        if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            text = line.split(":", 1)[1].replace("Z", "+00:00")
            date = round(datetime.fromisoformat(text).timestamp() * 1_000_000)
        elif line.startswith("#EXT-X-PART:"):
            yield re.search(r'URI="([^"]+)"', line).group(1), date


def main(index, seconds):
    server = Server(index)
    media = urljoin(index, next(l for l in server.get(index).decode().splitlines() if l and not l.startswith("#")))
    playlist = server.get(media).decode()
    seen = {uri for uri, _ in told(playlist)}
    first = {}  # by a segment's date: its first picture
    samples = []
    until = time.time() + seconds
    while time.time() < until:
        hint = re.search(r"#EXT-X-PRELOAD-HINT:.*seg-(\d+)\.(\d+)\.", playlist)
        if hint is None:
            break
        playlist = server.get(f"{media}&_HLS_msn={hint.group(1)}&_HLS_part={hint.group(2)}").decode()
        for uri, date in told(playlist):
            if uri in seen:
                continue
            seen.add(uri)
            part = server.get(urljoin(media, uri))
            received = time.time_ns() // 1000
            for when in picture_times(part):
                # Of a segment that had begun before there was anybody here nothing is known.
                if date not in first and ".0.m4s" in uri:
                    first[date] = when
                if date in first:
                    samples.append([date + (when - first[date]) * 1_000_000 // CLOCK, received])
    behind = re.search(r"PART-HOLD-BACK=([0-9.]+)", playlist)
    json.dump({"hold_back_ms": float(behind.group(1)) * 1000 if behind else None, "samples": samples}, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], float(sys.argv[2]))
