"""What this program wants to be, beside the others of the same run: each goal, and
whether it was met.

PEER is the older program as it is, which neither checks nor syncs; PEER2 the same
with both. Without them their goals are left out.
"""

import paper

# Clients at which the program is the limit, and not the one client's patience.
SATURATED = (16, 64, 256)
LIBPNG = {"panel30": 25, "area1000": 9, "stat1000": 24, "heat1000": 21,
          "busy1000": 6, "area4000": 4.5}


def at_most(what, got, limit):
    return [what, "<= " + paper.number(limit), paper.number(got),
            "met" if got <= limit else "missed"]


def at_least(what, got, limit):
    return [what, ">= " + paper.number(limit), paper.number(got),
            "met" if got >= limit else "missed"]


class Load:
    """The medians of results["load"]."""

    def __init__(self, rows):
        self.cells = {}
        for row in rows:
            key = row["disk"], row["panel"], row["clients"], row["name"]
            self.cells.setdefault(key, []).append(row)

    def places(self, disk, clients):
        return sorted({k[:3] for k in self.cells
                       if k[0] == disk and k[2] in clients})

    def ratio(self, place, field, a, b):
        return paper.median(self.cells[(*place, a)], field) / \
            paper.median(self.cells[(*place, b)], field)


def of_stages(rows):
    us = {}
    for row in rows:
        us.setdefault(row["panel"].removesuffix(".png"), {})[row["stage"]] = \
            float(row["us"])
    for panel, stages in us.items():
        check = stages["PNG check and rewrite"]
        if panel in LIBPNG:
            yield at_least("1 libpng's decode / our check, " + panel,
                           stages["libpng: full decode"] / check,
                           LIBPNG[panel])
        yield at_most("1 our check / libdeflate and CRC, " + panel,
                      check / stages["libdeflate: inflate and CRC"], 1.15)


def of_load(rows, ours, peer, same, others):
    load = Load(rows)

    def each(disk, clients):
        for place in load.places(disk, clients):
            yield place, "%s, %s, %d clients" % (place[1], disk, place[2])

    for place, where in each("ext4", SATURATED):
        if same:
            yield at_least("2 requests/s / same work, " + where,
                           load.ratio(place, "rate", ours, same), 6.5)
            yield at_least("2 CPU of same work / ours, " + where,
                           load.ratio(place, "cpu_us", same, ours), 6.5)
        if peer:
            yield at_most("3 CPU / older, " + where,
                          load.ratio(place, "cpu_us", ours, peer), 1.3)
        for other in others:
            yield at_least("4 CPU of %s / ours, %s" % (other, where),
                           load.ratio(place, "cpu_us", other, ours), 7)
    for place, where in each("tmpfs", SATURATED) if peer else ():
        yield at_most("3 CPU / older, " + where,
                      load.ratio(place, "cpu_us", ours, peer), 1)
        yield at_least("3 requests/s / older, " + where,
                       load.ratio(place, "rate", ours, peer), 1.2)
    for place, where in each("ext4", (1,)) if same else ():
        yield at_most("5 added p50 / same work, " + where,
                      load.ratio(place, "added50", ours, same), .35)
    for place, where in each("tmpfs", (1,)) if peer else ():
        yield at_most("5 added p50 / older, " + where,
                      load.ratio(place, "added50", ours, peer), 1.3)


def of_slow(rows, ours, other, https):
    def get(name, field):
        return paper.median([r for r in rows if r["name"] == name], field)

    what = "7 over HTTPS: " if https else "6 a thousand at once: "
    yield at_most(what + "failed", get(ours, "failed"), 0)
    if other and https:
        yield at_most(what + "time / older",
                      (2 + get(ours, "added")) / (2 + get(other, "added")),
                      1.15)
    elif other:
        yield at_most(what + "s above 2 / same work",
                      get(ours, "added") / get(other, "added"), .25)
    yield at_most(what + "peak MiB", get(ours, "peak"), 200 if https else 128)
    if not https:
        yield at_most(what + "idle MiB", get(ours, "idle"), 40)


def of_sharing(rows):
    def get(kinds, field):
        return paper.median([r for r in rows if r["kinds"] == kinds], field)

    yield at_most("8 renders for a thousand identical", get(1, "renders"), 1)
    yield at_most("8 CPU of identical / distinct",
                  get(1, "cpu") / get(1000, "cpu"), .1)


def of_both(stages, load, ours):
    us = next(float(r["us"]) for r in stages if r["stage"] == "sharing")
    yield at_most("8 sharing's part of a request that shares nothing",
                  us / paper.median([r for r in load if r["name"] == ours],
                                    "cpu_us"), .03)


def of_purge(found):
    cpu = found["cpu"]
    ours = cpu["grafana-images purge"]
    yield at_most("9 CPU / a scan of one folder",
                  ours / cpu["find, one folder"], 1 / 12)
    yield at_most("9 CPU / rm -r", ours / cpu["rm -r of as many"], 1.5)


def judge(results, ours, peer, same, others):
    lines = []
    if results.get("stages"):
        lines += of_stages(results["stages"])
    if results.get("load"):
        lines += of_load(results["load"], ours, peer, same, others)
    if results.get("slow"):
        lines += of_slow(results["slow"], ours, same, False)
    if results.get("https"):
        lines += of_slow(results["https"], ours, peer, True)
    if results.get("sharing"):
        lines += of_sharing(results["sharing"])
    if results.get("stages") and results.get("load"):
        lines += of_both(results["stages"], results["load"], ours)
    if results.get("purge"):
        lines += of_purge(results["purge"])
    return paper.table(["goal", "", "got", ""], lines)
