#!/usr/bin/python3
"""How quick is it, beside what people would use instead?

    make bench [PEER=program] [PEER2=program] [ONLY="stages storm …"]
               [CLIENTS="1 16 64 256"] [ROUNDS=3] [SECONDS=2] [PANELS=folder]

Rounds of all rivals take turns, so that what else the machine does hits them
alike, and medians are taken: the ratios are what counts. See README.md here.
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time

import goals
import machine
import paper
import rivals

WORK = os.path.join(rivals.ROOT, "build", "bench")
LOAD = os.path.join(WORK, "load")
PATH = "/render/d-solo/bench?panelId=1&var-unique=1&var-n={}"
DIRECT = "direct GET"
OTHERS = ["Flask, Pillow", "Node, sharp", "PHP-FPM, GD"]
OURS = "grafana-images"
PANELS = [os.path.join(rivals.HERE, "panels", name + ".png")
          for name in ("panel30", "area1000")]

started = time.monotonic()
text = []


def option(name, initial):
    return os.environ.get(name) or initial


def say(line=""):
    print(line, flush=True)
    text.append(line)


class Progress:
    def __init__(self, what, total):
        self.what, self.total, self.done = what, total, 0
        self.start = time.monotonic()

    def step(self, detail):
        left = "?"
        if self.done:
            left = "%.0f" % ((time.monotonic() - self.start) / self.done *
                             (self.total - self.done) / 60 + .5)
        print("\r\033[K[%s %d/%d, about %s min left] %s" % (
            self.what, self.done, self.total, left, detail),
            end="", file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def load(*arguments, panel):
    out = subprocess.run([LOAD, *map(str, arguments), rivals.TOKEN, panel],
                         stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(out.stdout)


def ask(rival, grafana, *arguments):
    """A round, with what it cost."""
    get = ["-g"] if rival.floor else []
    pid = rival.process.pid
    machine.peak_reset(pid)
    before = machine.cpu_seconds(pid)
    result = load("-p", rival.port, *get, *arguments, panel=grafana.url + PATH)
    cpu = machine.cpu_seconds(pid) - before
    result["cpu_us"] = cpu * 1e6 / max(result["requests"], 1)
    result["cpu"] = cpu
    result["rate"] = result["requests"] / result["seconds"]
    result["peak"] = machine.memory_mib(pid)
    return result


def older(disk):
    for name in ("PEER", "PEER2"):
        program = os.environ.get(name)
        if program:
            yield rivals.Older(WORK, os.path.join(disk.folder, name),
                               label(name), os.path.abspath(program))


def label(name):
    """What tables call the program that PEER or PEER2 names; None: none."""
    program = os.environ.get(name)
    return program and option(name + "_NAME", os.path.basename(program))


def field(disk, few=False):
    def store(name):
        return os.path.join(disk.folder, name)

    found = [rivals.Ours(WORK, store("ours"), OURS), *older(disk)]
    if not few:
        found += [rivals.Python(WORK, store("python"), OTHERS[0]),
                  rivals.Node(WORK, store("node"), OTHERS[1]),
                  rivals.Php(WORK, store("php"), OTHERS[2]),
                  rivals.Floor(WORK, store("floor"), "nginx proxy_store")]
    return found


def fronts(found, name="front"):
    body = "\n".join(r.front() for r in found)
    return rivals.Nginx(WORK, name, body, found[0].port)


# ---- requests a second, processor time, latency, memory

def saturation(results):
    clients = [int(c) for c in option("CLIENTS", "1 16 64 256").split()]
    kinds = option("DISKS", "tmpfs ext4").split()
    rounds = int(option("ROUNDS", "3"))
    seconds = option("SECONDS", "2")
    probe = 5 + sum(bool(os.environ.get(p)) for p in ("PEER", "PEER2"))
    progress = Progress("load", len(kinds) * len(PANELS) * len(clients) *
                        rounds * (probe + 1))
    for kind in kinds:
        for panel in PANELS:
            disk = machine.Disk(kind, os.path.join(WORK, "disk"), WORK)
            grafana = rivals.Grafana(WORK, panel)
            found = [r.start(grafana) for r in field(disk)]
            front = fronts(found)
            try:
                for r in found:
                    ask(r, grafana, "-c", 16, "-n", 64)
                for c in clients:
                    for n in range(rounds):
                        one_round(results, progress, disk, grafana, panel, c,
                                  found[n % len(found):] +
                                  found[:n % len(found)], seconds)
            finally:
                for p in [front, *found, grafana]:
                    p.close()
                disk.close()
    progress.end()
    saturation_tables(results["load"])


def one_round(results, progress, disk, grafana, panel, clients, found, seconds):
    key = {"disk": disk.kind, "panel": os.path.basename(panel)[:-4],
           "clients": clients}
    progress.step("%s %s %d clients: direct" % (disk.kind, key["panel"],
                                                clients))
    direct = load("-p", grafana.port, "-g", "-c", clients, "-t", 1,
                  panel=grafana.url + PATH)
    for r in found:
        progress.step("%s %s %d clients: %s" % (disk.kind, key["panel"],
                                                clients, r.name))
        row = ask(r, grafana, "-c", clients, "-t", seconds)
        row.update(key, name=r.name, added50=row["p50"] - direct["p50"],
                   added99=row["p99"] - direct["p99"])
        results.setdefault("load", []).append(row)
        disk.empty(r.store)


FIELDS = [("rate", "requests/s"), ("cpu_us", "CPU us/image"),
          ("added50", "added p50 ms"), ("added99", "added p99 ms"),
          ("peak", "peak MiB"), ("failed", "failed")]


def cells(rows, names):
    found = {}
    for row in rows:
        found.setdefault(tuple(row[n] for n in names), []).append(row)
    return found


def saturation_tables(rows):
    for (disk, panel, clients), cell in cells(
            rows, ("disk", "panel", "clients")).items():
        say("\n%s, %s, %d clients" % (panel, disk, clients))
        say(paper.table(["", *(label for _, label in FIELDS)], [
            [name[0], *(paper.number(paper.median(part, f))
                        for f, _ in FIELDS)]
            for name, part in cells(cell, ("name",)).items()]))


# ---- a storm, with the settings as they come

def storm(results):
    disk = machine.Disk("ext4", os.path.join(WORK, "disk"), WORK)
    try:
        for way in ("socket", "nginx"):
            grafana = rivals.Grafana(WORK, PANELS[0], 2000)
            ours = rivals.Ours(WORK, os.path.join(disk.folder, "ours"),
                               OURS).start(grafana)
            front = fronts([ours])
            where = ["-s", ours.socket] if way == "socket" else \
                ["-p", ours.port]
            r = load(*where, "-c", 1000, "-k", 10, panel=grafana.url + PATH)
            renders = counts(grafana)["renders"]
            say("storm of 1,000 posts of 10 panels, a render 2 s, %s: "
                "%d renders, answers %s, the last after %.2f s" % (
                    way, renders, r["statuses"], r["max"] / 1000))
            results.setdefault("storm", []).append(
                dict(r, way=way, renders=renders))
            for p in (front, ours, grafana):
                p.close()
            disk.empty(ours.store)
    finally:
        disk.close()


def counts(grafana):
    out = subprocess.run(["curl", "-s", grafana.url + "/standin/counts"],
                         stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


# ---- a thousand renders of two seconds at once

def certificate():
    pem = os.path.join(WORK, "ca.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
         os.path.join(WORK, "ca.key"), "-out", pem],
        check=True, stderr=subprocess.DEVNULL)
    return pem


class Tls(rivals.Nginx):
    """HTTPS before the stand-in."""

    def __init__(self, grafana, pem):
        self.port = rivals.free_port()
        self.url = "https://localhost:%d" % self.port
        super().__init__(WORK, "tls", """
  upstream grafana { server 127.0.0.1:%d; keepalive 64; }
  server {
    listen 127.0.0.1:%d ssl backlog=4096;
    ssl_certificate %s;
    ssl_certificate_key %s/ca.key;
    location / { proxy_pass http://grafana; }
  }""" % (grafana.port, self.port, pem, WORK), self.port)


def slow(results, https=False):
    rounds = int(option("ROUNDS", "3"))
    pem = certificate() if https else None
    what = "https" if https else "slow"
    disk = machine.Disk("ext4", os.path.join(WORK, "disk"), WORK)
    standin = rivals.Grafana(WORK, PANELS[1], 2000)
    grafana = Tls(standin, pem) if https else standin
    progress = Progress(what, rounds * 3)
    try:
        for _ in range(rounds):
            for r in field(disk, few=True):
                progress.step(r.name)
                # a thousand handshakes are not done in connect_seconds = 3
                more = {"workers": 1000, "max_renders": 1000,
                        "connect_seconds": 30} if r.name == OURS else {}
                r.start(grafana, ca=pem, **more)
                front = fronts([r])
                machine.settle(r.pid)
                idle = machine.memory_mib(r.pid, "VmRSS")
                row = ask(r, grafana, "-c", 1000)
                row.update(name=r.name, idle=idle, added=row["max"] / 1e3 - 2)
                results.setdefault(what, []).append(row)
                front.close()
                r.close()
                disk.empty(r.store)
    finally:
        progress.end()
        for p in dict.fromkeys((grafana, standin)):
            p.close()
        disk.close()
    say("\n1,000 renders of 2 s at once%s, area1000, ext4" % (
        ", over HTTPS, cold" if https else ""))
    say(paper.table(
        ["", "s above 2", "CPU s", "idle MiB", "peak MiB", "failed"],
        [[n[0], *(paper.number(paper.median(part, f)) for f in (
            "added", "cpu", "idle", "peak", "failed"))]
         for n, part in cells(results[what], ("name",)).items()]))


def https(results):
    slow(results, https=True)


# ---- the same thousand asked for once or each by itself

def sharing(results):
    rounds = int(option("ROUNDS", "3"))
    disk = machine.Disk("ext4", os.path.join(WORK, "disk"), WORK)
    grafana = rivals.Grafana(WORK, PANELS[1], 2000)
    try:
        for _ in range(rounds):
            for kinds in (1, 1000):
                ours = rivals.Ours(WORK, os.path.join(disk.folder, "ours"),
                                   OURS).start(grafana, workers=1000,
                                               max_renders=1000)
                before = counts(grafana)["renders"]
                front = fronts([ours])
                machine.settle(ours.pid)
                row = ask(ours, grafana, "-c", 1000, "-k", kinds)
                row.update(kinds=kinds,
                           renders=counts(grafana)["renders"] - before)
                results.setdefault("sharing", []).append(row)
                front.close()
                ours.close()
                disk.empty(ours.store)
    finally:
        grafana.close()
        disk.close()
    say("\n1,000 posts at once, a render 2 s")
    say(paper.table(["panels", "renders", "s", "CPU s", "peak MiB", "failed"], [
        [k[0], *(paper.number(paper.median(part, f)) for f in (
            "renders", "seconds", "cpu", "peak", "failed"))]
        for k, part in cells(results["sharing"], ("kinds",)).items()]))


# ---- removing a thirtieth of many images

DAYS = 30


def day(back):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - back * 86400))


def fill(folder, count, first, age_days):
    os.makedirs(folder, exist_ok=True)
    then = time.time() - age_days * 86400
    for n in range(first, first + count):
        path = "%s/%064x.png" % (folder, n * 0x9e3779b97f4a7c15 % 2 ** 64)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, bytes(1024))
        os.close(fd)
        os.utime(path, (then, then))


def spent(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def purge(results):
    count = int(option("IMAGES", "1000000")) // DAYS
    disk = machine.Disk("ext4", os.path.join(WORK, "disk"), WORK, "12G",
                        2 * (DAYS + 1) * count + 1000)
    store, flat = (os.path.join(disk.folder, n) for n in ("store", "flat"))
    progress = Progress("purge", DAYS)
    for back in range(DAYS):
        progress.step("making images")
        fill(os.path.join(store, day(back)), count, back * count, back)
        fill(flat, count, back * count, back)
    fill(os.path.join(disk.folder, "again"), count, 0, 0)
    progress.end()
    conf = os.path.join(WORK, "purge.conf")
    with open(conf, "w") as f:
        f.write("grafana = http://127.0.0.1\npublic_url = %s\nstore = %s\n"
                "keep_days = %d\n" % (rivals.PUBLIC, store, DAYS - 2))
    cpu = {}
    disk.again()  # nothing of it is in memory
    cpu["grafana-images purge"] = spent(
        os.path.join(rivals.ROOT, "build", "grafana-images"), "-c", conf,
        "purge")
    disk.again()
    cpu["rm -r of as many"] = spent("rm", "-r",
                                    os.path.join(disk.folder, "again"))
    disk.again()
    cpu["find, one folder"] = spent(
        "find", flat, "-type", "f", "-mtime", "+%d" % (DAYS - 2), "-delete")
    results["purge"] = {"removed": count, "cpu": cpu, "left": [
        sum(len(names) for _, _, names in os.walk(f)) for f in (store, flat)]}
    disk.close()
    say("\nRemoving %d of %d images (%s are left), s of CPU" % (
        count, count * DAYS, results["purge"]["left"]))
    say(paper.table(["", "CPU s"], [[n, "%.3f" % s] for n, s in cpu.items()]))


# ---- what each stage costs

def stages(results):
    folder = option("PANELS", "")
    panels = PANELS + ([os.path.join(folder, n) for n in sorted(
        os.listdir(folder)) if n.endswith(".png")] if folder else [])
    disk = machine.Disk("tmpfs", os.path.join(WORK, "disk"), WORK)
    try:
        out = subprocess.run([os.path.join(WORK, "stages"), disk.folder,
                              *panels], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    finally:
        disk.close()
    rows = [dict(zip(("panel", "bytes", "stage", "us"), line.split("\t")))
            for line in out.splitlines()]
    results["stages"] = rows
    say("\nStages, us of CPU (saving: tmpfs)")
    found = cells(rows, ("panel",))
    names = list(dict.fromkeys(r["stage"] for r in rows))
    say(paper.table(["", *(p[0][:-4] for p in found)], [
        [n, *(next((paper.number(float(r["us"])) for r in part
                    if r["stage"] == n), "") for part in found.values())]
        for n in names]))
    ratios = []
    for part in found.values():
        us = {r["stage"]: float(r["us"]) for r in part}
        check = us["PNG check and rewrite"]
        ratios.append((us["libpng: full decode"] / check,
                       check / us["libdeflate: inflate and CRC"]))
    say(paper.table(["", *(p[0][:-4] for p in found)], [
        ["libpng / check", *("%.1f" % a for a, _ in ratios)],
        ["check / libdeflate", *("%.2f" % b for _, b in ratios)]]))


# ---- the whole

def write_results(results):
    with open(os.path.join(WORK, "results.json"), "w") as f:
        json.dump(results, f, indent=1)
    if results.get("load"):
        write_picture(results["load"])
    with open(os.path.join(WORK, "bench.txt"), "w") as f:
        f.write("\n".join(text) + "\n")
    print("\nwritten: bench.txt, bench.md, bench.svg and results.json in %s" %
          os.path.relpath(WORK))


def write_picture(rows):
    """For the README: one number of clients, the durable disk."""
    wanted = [c for c in ("64", "16", "1") if int(c) in
              {r["clients"] for r in rows}]
    clients = int(wanted[0]) if wanted else rows[0]["clients"]
    disk = rows[-1]["disk"]
    chosen = [r for r in rows if r["clients"] == clients and
              r["disk"] == disk]
    head = ["%d clients, %s" % (clients, disk)]
    lines, plot = {}, []
    for (panel,), cell in cells(chosen, ("panel",)).items():
        head += [panel + ": requests/s", "CPU us/image", "added p50 ms",
                 "peak MiB"]
        parts = cells(cell, ("name",))
        for (name,), part in parts.items():
            lines.setdefault(name, [name]).extend(
                paper.number(paper.median(part, f))
                for f in ("rate", "cpu_us", "added50", "peak"))
        plot.append((panel, [(n[0], paper.median(p, "cpu_us"))
                             for n, p in parts.items()]))
    with open(os.path.join(WORK, "bench.md"), "w") as f:
        f.write(paper.markdown(head, list(lines.values())) + "\n")
    with open(os.path.join(WORK, "bench.svg"), "w") as f:
        f.write(paper.bars("CPU microseconds per image (%d clients, %s)" % (
            clients, disk), plot))


def main():
    parts = {"stages": stages, "storm": storm, "sharing": sharing,
             "purge": purge, "slow": slow, "https": https, "load": saturation}
    only = option("ONLY", " ".join(parts)).split()
    if os.geteuid() != 0:
        raise SystemExit("bench: needs root, to mount file systems")
    os.environ["PATH"] += ":/usr/sbin"
    shutil.rmtree(os.path.join(WORK, "disk"), ignore_errors=True)
    say("%s, %d cores, Linux %s" % (time.strftime("%Y-%m-%d"),
                                    len(os.sched_getaffinity(0)),
                                    platform.release()))
    results = {}
    try:
        for name in only:
            parts[name](results)
        say("\nGoals (1/x: x; by number as in README.md here)")
        say(goals.judge(results, OURS, label("PEER"), label("PEER2"), OTHERS))
    finally:
        write_results(results)
    print("took %.0f minutes" % ((time.monotonic() - started) / 60))


main()
