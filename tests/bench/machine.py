"""What the kernel knows: processor time, memory, file systems."""

import os
import re
import shutil
import subprocess
import threading
import time

SECONDS = 30


def until(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("bench: not within %d s: %s" % (seconds, what))
        os.sched_yield()


def family(pid):
    """A process and all below it."""
    found = [pid]
    for one in found:
        try:
            for thread in os.listdir("/proc/%d/task" % one):
                with open("/proc/%d/task/%s/children" % (one, thread)) as f:
                    found += map(int, f.read().split())
        except FileNotFoundError:
            pass
    return found


def cpu_seconds(pid):
    """User and system time of them all, from their own clocks (a tick of
    /proc/PID/stat is too coarse)."""
    total = 0
    for one in family(pid):
        try:
            total += time.clock_gettime(~one << 3 | 2)
        except OSError:
            pass
    return total


def settle(pid):
    """Until it has done what it does at start."""
    before, moment = -1, threading.Event()
    while cpu_seconds(pid) - before > .001:
        before = cpu_seconds(pid)
        moment.wait(.3)


def status_kib(pid, field):
    with open("/proc/%d/status" % pid) as f:
        found = re.search(field + r":\s*(\d+)", f.read())
    return int(found.group(1)) if found else 0


def peak_reset(pid):
    for one in family(pid):
        with open("/proc/%d/clear_refs" % one, "w") as f:
            f.write("5")


def memory_mib(pid, field="VmHWM"):
    """Resident, at its peak or now (VmRSS); what several processes share is
    counted in each of them."""
    return sum(status_kib(one, field) for one in family(pid)) / 1024


class Disk:
    """A fresh file system, for as long as this process lives."""

    def __init__(self, kind, folder, work, size="3G", files=200000):
        self.kind, self.folder = kind, folder
        os.makedirs(folder, exist_ok=True)
        if kind == "tmpfs":
            self.mount("-t", "tmpfs", "-o", "size=8g,mode=0755", "bench")
            return
        # preallocated: else each write would have the disk below make room
        self.file = os.path.join(work, "ext4.img")
        subprocess.run(["fallocate", "-l", size, self.file], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(files), "-E",
                        "lazy_itable_init=0,lazy_journal_init=0", self.file],
                       check=True)
        self.mount("-o", "loop", self.file)

    def again(self):
        """Unmount and mount it: what was in memory of it is no more."""
        subprocess.run(["umount", self.folder], check=True)
        self.mount("-o", "loop", self.file)

    def mount(self, *arguments):
        subprocess.run(["mount", *arguments, self.folder], check=True)

    def empty(self, folder):
        """Remove what was saved, and let the disk come to rest."""
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if name.startswith("20") and os.path.isdir(path):
                shutil.rmtree(path)
            elif name.endswith(".png"):
                os.unlink(path)
        subprocess.run(["sync", "-f", folder], check=True)

    def close(self):
        subprocess.run(["umount", self.folder], check=True)
        if self.kind != "tmpfs":
            os.unlink(self.file)
