"""Soak: more clients than workers, calls that fail at random, a purge again and
again; and what the process holds does not grow.

    tests/e2e/private tests/faults/soak.py [SECONDS]
"""

import itertools
import os
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))

import torture
from service import CONF, STORE, images, sanitized

WORKERS = 8
CLIENTS = 16
ODDS = 1500  # in a million calls; a request makes some 1,300
PANELS = 2000
TARGETS = torture.TARGET, torture.TARGET.replace("&var-manner=close", "")
KEPT_BYTES = 8 << 20  # fewer than there are, so that images are new again
SECONDS_TO_LOOK = 5  # at an image that was answered
PARTS = 5


class Soak:
    def __init__(self, grafana, service):
        self.service = service
        self.control = torture.start_with_faults(
            service, workers=WORKERS, max_renders=WORKERS)
        self.requests = [
            torture.make_request("%s%s&var-unique=1&var-n=%d" % (
                grafana.url, TARGETS[n % 2], n))
            for n in range(PANELS)]
        self.turn = itertools.count()
        self.statuses = {}
        self.samples = []  # of descriptors and KiB
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.wrong = None

    def ask(self):
        n = next(self.turn)
        status = torture.judge(torture.ask(self.requests[n % PANELS],
                                           self.stalled))
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        return status

    def stalled(self):
        assert self.service.process.poll() is None, "it ended"

    def client(self):
        try:
            while not self.stop.is_set():
                self.ask()
        except Exception as e:
            self.wrong = e
            self.stop.set()

    def age(self):
        """A purge takes only what is hours old."""
        for path in images():
            path = os.path.join(STORE, path)
            if time.time() - os.stat(path).st_mtime > SECONDS_TO_LOOK:
                os.utime(path, (0, time.time() - 86400))

    def purge(self):
        self.age()
        subprocess.run([self.service.program, "-c", CONF, "purge"], check=True,
                       stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env={
                           **os.environ,
                           "GRAFANA_IMAGES_KEEP_BYTES": str(KEPT_BYTES)})

    def sample(self):
        self.samples.append((self.service.files(),
                             torture.rss_kib(self.service)))

    def run(self, seconds, tell=lambda: None):
        clients = [threading.Thread(target=self.client)
                   for _ in range(CLIENTS)]
        self.control.arm(0, False, ODDS)
        for c in clients:
            c.start()
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and not self.stop.wait(seconds / 300):
                self.sample()
                self.purge()
                tell()
        finally:
            self.stop.set()
            for c in clients:
                c.join()
        self.faults, _ = self.control.disarm()
        if self.wrong:
            raise self.wrong
        self.service.check_log()

    def recover(self):
        """Nothing fails any more: then every request is answered."""
        for _ in range(2 * WORKERS):
            assert self.ask() == 200, self.service.text()[-2000:]

    def part(self, n):
        size = len(self.samples) // PARTS
        n %= PARTS
        return list(zip(*self.samples[n * size:(n + 1) * size]))

    def judge(self):
        """The first part is for warming up: each worker's handle and buffers
        are made when they are first needed."""
        (files, kib), (files_last, kib_last) = self.part(1), self.part(-1)
        assert max(files_last) <= max(files) + WORKERS, "descriptors leak"
        assert sanitized() or statistics.median(kib_last) <= \
            1.05 * statistics.median(kib) + 1024, "memory grows"

    def show(self):
        print("%d requests, %d faults; answers: %s" % (
            sum(self.statuses.values()), self.faults,
            ", ".join("%d %s" % (count, status or "closed")
                      for status, count in sorted(self.statuses.items()))))
        for n in range(PARTS):
            files, kib = self.part(n)
            print("  %d/%d of the time: %d to %d descriptors, %d to %d KiB" % (
                n + 1, PARTS, min(files), max(files), min(kib), max(kib)))


def main(grafana, service):
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    soak = Soak(grafana, service)
    start = time.monotonic()

    def tell():
        print("\r\033[K%.0f of %d s, %d requests" % (
            time.monotonic() - start, seconds, sum(soak.statuses.values())),
            end="", file=sys.stderr, flush=True)

    soak.run(seconds, tell if sys.stderr.isatty() else lambda: None)
    soak.recover()
    soak.show()
    soak.judge()


if __name__ == "__main__":
    torture.run_by_hand(main)
