#!/usr/bin/python3
"""fixture.py FOLDER NAME PRODUCER VERSION [NOTE...]: a fixture of tests/fixtures/producers, on stdout.

From what clients/recorder.cpp wrote in the guest (tools/vm-test --record): FOLDER/NAME.memory.recorded and, where the
producer gave dmabufs, NAME.both.recorded, NAME.linear.recorded or NAME.invalid.recorded. What no recording shows, how
the producer behaves when it is resized or its pointer moves, is left to the reader of its source.
"""
import json
import pathlib
import re
import sys

INVALID = 0x00FFFFFFFFFFFFFF


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def plain(prop):
    """A property as fixtures spell it: the value, {default, min, max}, or a list whose first is the default."""
    if "value" in prop:
        return prop["value"]
    if "min" in prop:
        return {key: prop[key] for key in ("default", "min", "max")}
    rest = prop.get("enum", prop.get("flags", []))
    values = [prop["default"], *(value for value in rest if value != prop["default"])]
    return values[0] if len(values) == 1 else values


def rate(prop):
    value = plain(prop)
    return {"enum": value} if isinstance(value, list) and isinstance(value[0], list) else value


def offered(param):
    made = {"format": plain(param["format"]) if "format" in param else None, "subtype": plain(param["mediaSubtype"])}
    if "size" in param:
        made["size"] = plain(param["size"])
    for name, key in (("framerate", "framerate"), ("maxFramerate", "max_framerate")):
        if name in param:
            made[key] = rate(param[name])
    if "modifier" in param:
        values = plain(param["modifier"])
        made["modifiers"] = [hex(int(value, 16)) for value in (values if isinstance(values, list) else [values])]
        made["modifier_flags"] = [flag for flag in ("mandatory", "dont_fixate") if param["modifier"].get(flag)]
    colours = ("colorMatrix", "colorRange", "colorPrimaries", "transferFunction")
    if any(name in param for name in colours):
        made["colour"] = {name: plain(param[name]) for name in colours if name in param}
    return made


def buffers(recorded):
    """Those with a type that the producer offers, of the last negotiation."""
    param = recorded["Buffers"][0] if recorded and recorded.get("Buffers") else {}
    types = sorted({data["type"] for frame in recorded["frames"] for data in frame["datas"]})
    made = {"count": plain(param["buffers"]) if "buffers" in param else None,
            "blocks": len(recorded["frames"][0]["datas"]), "data_types": types}
    for name in ("size", "stride"):
        if name in param:
            made[name] = plain(param[name])
    return made


def chunk(recorded):
    data = recorded["frames"][len(recorded["frames"]) // 2]["datas"][0]
    return {"size": data["size"], "maxsize": data["maxsize"], "stride": data["stride"]}


def frames(recorded, dmabuf):
    seen = recorded["frames"][1:62]
    stamps = [frame.get("pts") for frame in seen]
    made = {"pts": "none" if None in stamps else "minus_one" if -1 in stamps else "good"}
    if made["pts"] == "good":
        made["lag_ms"] = [round((frame["arrival_ns"] - frame["pts"]) / 1e6, 1) for frame in seen]
        before = [recorded["frames"][0].get("pts"), *stamps]
        made["interval_ms"] = [round((b - a) / 1e6, 1) for a, b in zip(before, stamps)]
    numbers = [frame.get("seq") for frame in seen]
    made["seq"] = "zero" if not any(numbers) else "counting"
    made["header_flags"] = seen[0].get("header_flags")
    made["chunk"] = {"memory": chunk(recorded)} | ({"dmabuf": chunk(dmabuf)} if dmabuf else {})
    damage = [frame.get("damage") for frame in seen]
    made["damage"] = "none" if None in damage else "full" if max(damage) <= 1 else "rectangles"
    return made


def on_one_line(text):
    """Lists of plain values take one line each."""
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text)


def main():
    folder, name, producer, version, *notes = sys.argv[1:]
    recordings = {offer: load(pathlib.Path(folder) / f"{name}.{offer}.recorded")
                  for offer in ("memory", "both", "linear", "invalid")}
    recordings = {offer: made for offer, made in recordings.items() if made}
    memory = recordings["memory"]
    with_dmabuf = {offer: made for offer, made in recordings.items()
                   if offer != "memory" and made.get("frames") and "modifier" in made["agreed"]}
    dmabuf = next(iter(with_dmabuf.values()), None)
    chosen = [hex(int(plain(made["agreed"]["modifier"]), 16)) for made in with_dmabuf.values()]
    for offer, made in recordings.items():
        if offer != "memory":
            notes.append(f"A consumer that offers {offer.replace('both', 'LINEAR and INVALID')}: "
                         f"{made.get('format_rounds', 0)} format(s) sent, {len(made.get('frames') or [])} pictures"
                         + (f", modifier {plain(made['agreed']['modifier'])}." if offer in with_dmabuf else "."))
    fixture = {
        "origin": {"producer": producer, "version": version, "how": "recorded",
                   "where": ["tools/vm-test --record: tests/vm/clients/recorder.cpp in the guest"], "notes": notes},
        "node": {key: value for key, value in memory["node"].items()
                 if key.startswith(("media.", "node.")) and not key.endswith((".id", "serial"))},
        "formats": [offered(param) for param in memory["EnumFormat"]],
        "fixation": "producer" if any("dont_fixate" in param.get("modifier", {}) for param in memory["EnumFormat"]) else "none",
        "fixation_picks": list(dict.fromkeys(chosen)),
        "buffers": {"memory": buffers(memory)} | ({"dmabuf": buffers(dmabuf)} if dmabuf else {}),
        "metas": [{"type": kind, "size": size} for kind, size in (memory.get("metas") or {}).items()
                  if kind != "Busy"],  # PipeWire's own
        "frames": frames(memory, dmabuf),
        "behaviour": {"only_on_damage": True},
    }
    print(on_one_line(json.dumps(fixture, indent=2)))


if __name__ == "__main__":
    main()
