"""What is in a process's memory; root may look even where nobody else may."""

import re

PIECE = 1 << 20


def mappings(pid):
    with open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            start, end, mode, name = re.match(
                r"(\w+)-(\w+) (\S+) \S+ \S+ \S+\s*(.*)", line).groups()
            if mode.startswith("rw"):
                yield int(start, 16), int(end, 16), name


def found(pid, needles):
    """Where in that process one of these (bytes) is."""
    pattern = re.compile(b"|".join(map(re.escape, needles)))
    most = max(map(len, needles))
    where = []
    with open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for start, end, name in mappings(pid):
            for at in range(start, end, PIECE):
                mem.seek(at)
                data = mem.read(min(PIECE + most, end - at))
                where += ["%x %s: %r" % (
                    at + m.start(), name,
                    data[max(m.start() - 64, 0):m.end() + 64])
                    for m in pattern.finditer(data)]
    return where
