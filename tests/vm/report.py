#!/usr/bin/python3
"""report.py RESULTS KNOWN_FAILURES PICTURES GUEST...: judges the cells of a run of tools/vm-test and prints the table.

A cell is right when the program ended well, the memory agreed on was what the desktop has and what the report says, and
the recording has pictures, none torn, stale, out of order or of wrong colour.
KNOWN_FAILURES has lines "CELLS | FAULT | why": in cells of these names (with * and ?) a fault with that text in it is
known today. Exits with 1 for a fault that is not; a line whose cells are all without it is told, since what fails by
time-outs may hold on another machine.
"""
import fnmatch
import json
import pathlib
import sys

MODIFIERS = {"linear": 0, "invalid": 0x00FFFFFFFFFFFFFF}

DISTURBED = 8


def agreed_memory(agreed):
    """What PipeWire says the recorder got: linear, invalid, another modifier, or none for shared memory."""
    if not agreed:
        return "unknown"
    modifier = agreed.get("modifier")
    if modifier is None:
        return "none"
    if isinstance(modifier, dict):
        return "open"
    return next((word for word, value in MODIFIERS.items() if value == modifier), hex(modifier))


def faults(cell, seen, pictures):
    found = []
    report = cell.get("report") or {}
    if cell["status"] != cell.get("wanted_status", 0):
        said = cell["said"].rsplit(": ", 1)[-1] or report.get("error", "it said nothing")
        found.append(f"exit {cell['status']}: {said}")
    if seen is None or not seen.get("pictures"):
        return found or [f"the client is in none of {seen['before']} pictures" if seen and seen.get("before") else "no pictures"]
    count = seen["pictures"]
    wanted = cell.get("wanted", pictures)
    # How many a busy machine manages says nothing; next to none does.
    if count < wanted / 8:
        found.append(f"{count} pictures of {wanted}")
    # While the desktop changes under it, it shows an old window in a new place for a moment.
    allowed = DISTURBED if cell.get("disturbed") else 0
    for name in ("torn", "illegible", "back"):
        if seen[name] > allowed:
            found.append(f"{seen[name]} {name}")
    if (seen["last"] or 0) < cell.get("at_least", 0) > 0:
        found.append("nothing of what came after")
    if seen["bars_wrong"] > allowed:
        found.append(f"{seen['bars_wrong']} of wrong colour (up to {seen['bars_worst']})")
    # A desktop may show a picture twice; more than one in fifty is the program's doing.
    if seen["repeated"] > max(2, count / 50, allowed) and not cell.get("still"):
        found.append(f"{seen['repeated']} repeated")
    # The least rate's repeats: of a desktop that paints all the time, the stream stood still.
    if seen.get("kept", 0) > max(3, count / 20) and "wanted" not in cell:
        found.append(f"stood still for {seen['kept']} s")
    memory = agreed_memory(cell.get("agreed"))
    wanted_memory = ("linear", "invalid") if cell["modifier"] == "dmabuf" else (cell["modifier"],)
    if memory not in (*wanted_memory, "unknown"):
        found.append(f"{'shared memory' if memory == 'none' else memory}, not {cell['modifier']}")
    if cell.get("timelines", False) != cell["sync"].startswith("timeline"):
        found.append(f"{'timelines' if cell.get('timelines') else 'no timelines'}, not sync {cell['sync']}")
    for key, value in cell.get("wanted_format", {}).items():
        if (got := (cell.get("agreed") or {}).get(key)) != value:
            found.append(f"{key} {json.dumps(got)}, not {json.dumps(value)}")
    # From its first picture on a layer stays.
    if "inset" in seen and (seen["inset"]["wrong"] or seen["inset"]["right"] < count / 2):
        found.append(f"the layer is right in {seen['inset']['right']} of {count} pictures, then wrong in "
                     f"{seen['inset']['wrong']} (by {seen['inset']['worst']})")
    if memory == "none" and report.get("route", "cpu") not in ("cpu", "host"):
        found.append(f"says route '{report['route']}'")
    return found + cell.get("faults", [])


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def known_failures(path):
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(part.strip() for part in line.split("|", 2)) for line in lines]


def main():
    results, known, pictures, guests = (pathlib.Path(sys.argv[1]), known_failures(pathlib.Path(sys.argv[2])),
                                        int(sys.argv[3]), sys.argv[4:])
    cells, unexpected, used, tried, notes = [], 0, set(), set(), {}
    print("| cell | desktop | way | memory agreed on | sync | pictures | skipped | repeated | torn, stale, wrong | "
          "stamps: beat, jitter p99 | result |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for guest in guests:
        files = sorted((results / guest).glob("*.json"), key=lambda file: file.stat().st_mtime)
        made = [(file, cell) for file in files if (cell := load(file)) and "cell" in cell]
        if not made:
            unexpected += 1
            print(f"| {guest} | | | | | | | | | | **MADE NO CELL**: see {guest}/out.log |")
        for file, cell in made:
            seen = load(file.with_suffix(".check"))
            name, told = cell["cell"], []
            wrong = faults(cell, seen, pictures)
            tried |= {line for line in known if fnmatch.fnmatch(name, line[0])}
            for fault in wrong:
                line = next((line for line in known if fnmatch.fnmatch(name, line[0]) and line[1] in fault), None)
                used.add(line)
                unexpected += line is None
                told.append(f"{fault} [{notes.setdefault(line[2], len(notes) + 1)}]" if line else f"**not known: {fault}**")
            cells.append(cell | {"seen": seen, "faults": wrong})
            print(row(cell, seen if seen and seen.get("pictures") else None, told))
    print("\nKnown:", *(f"[{number}] {why}." for why, number in notes.items()))
    for line in sorted(tried - used):
        print(f"\nUnexpected success: '{line[1]}' was not seen in {line[0]} ({line[2]}).")
    (results / "cells.json").write_text(json.dumps(cells))
    failing = sum(bool(cell["faults"]) for cell in cells)
    print(f"\n{len(cells)} cells: {len(cells) - failing} right, {failing} with faults; {unexpected} faults are not known")
    return 1 if unexpected or not cells else 0


def row(cell, seen, told):
    wrong = seen["torn"] + seen["illegible"] + seen["back"] + seen["bars_wrong"] if seen else ""
    figures = ([seen["pictures"], seen["skipped"], seen["repeated"], wrong,
                f"{seen['beat_ms']}, {seen['jitter_p99_ms']} ms"] if seen else ["0", "", "", "", ""])
    columns = [cell["cell"], cell["desktop"], cell["way"], agreed_memory(cell.get("agreed")), cell["sync"], *figures,
               "; ".join(told) or "right"]
    return "| " + " | ".join(str(column).replace("|", "\\|") for column in columns) + " |"


if __name__ == "__main__":
    sys.exit(main())
