"""compare_interfaces.py DESCRIPTION INTROSPECTED...: one line for each difference between the interfaces of one name in a
D-Bus introspection file and in what objects answered; nothing when there is none."""

import sys
import xml.etree.ElementTree

OURS = "org.zerocast."


def members(path):
    """(interface, kind, member, part): what of it matters to a caller."""
    found = {}
    for interface in xml.etree.ElementTree.parse(path).getroot().iter("interface"):
        if not interface.get("name").startswith(OURS):
            continue
        for member in interface:
            place = (interface.get("name"), member.tag, member.get("name"))
            found[place + ("",)] = (member.get("type"), member.get("access"))
            for number, argument in enumerate(member.iter("arg")):
                direction = argument.get("direction", "in" if member.tag == "method" else "out")
                found[place + (f"argument {number}",)] = (argument.get("type"), argument.get("name"), direction)
            for note in member.iter("annotation"):
                found[place + (note.get("name"),)] = note.get("value")
    return found


def main():
    described = members(sys.argv[1])
    answered = {}
    for path in sys.argv[2:]:
        answered.update(members(path))
    for place in sorted(described.keys() | answered.keys()):
        if described.get(place) != answered.get(place):
            name = " ".join(word for word in place if word)
            print(f"{name}: described {described.get(place)}, answered {answered.get(place)}")
    if not described or not answered:
        print("no interface to compare")


main()
