#!/usr/bin/python3
"""Fails each call of the Sensu mutator in turn: no event may be lost.

    tests/faults/torture_sensu.py [STEP]

Once, each call that can fail does; then memory is gone from some call on. The
event always comes out, as it came or with the picture's address, and the status
is 0. See nth.c for what can fail.
"""

import collections
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

from service import PROGRAM
from torture import NTH, Control

PICTURE = "https://g.example/saved-images/2026-11-22/0.png"
EVENT = json.dumps({"client": {"name": "db-07"}, "check": {
    "output": "DISK CRITICAL \u00e9 " + "x" * 100_000,
    "graph_image": "https://g.example/d/x?viewPanel=1"}}).encode()
ADDED = b'"graph_image_url":"%s",' % PICTURE.encode()


class Answers(http.server.BaseHTTPRequestHandler):
    """A service that always has the picture."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"pubImg": PICTURE}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that broke off


class SensuTorture:
    def __init__(self, folder):
        path = os.path.join(folder, "nth")
        # the system's bundle takes 50,000 allocations
        self.ca_file = os.path.join(folder, "ca.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                        "-keyout", os.devnull, "-out", self.ca_file],
                       check=True, capture_output=True)
        self.control = Control(path)
        self.counts = collections.Counter()
        self.environment = {
            "PATH": os.environ["PATH"], "LD_PRELOAD": NTH, "NTH": path,
            "ASAN_OPTIONS": "verify_asan_link_order=0",
            "GRAFANA_TOKEN": "glsa_0"}

    def one(self, url, k, forever):
        """False when there is no k-th call any more."""
        self.control.arm(k, forever, memory=forever)
        out = subprocess.run(
            [PROGRAM, "sensu", "--service", url, "--timeout", "5",
             "--ca-file", self.ca_file],
            input=EVENT, capture_output=True, timeout=60, env=self.environment)
        failed, name = self.control.disarm()
        what = "call %d, %s%s: status %d, %d of %d bytes, %r" % (
            k, name, " and on" if forever else "", out.returncode,
            len(out.stdout), len(EVENT), out.stderr)
        assert (out.returncode, out.stderr) == (0, b""), what
        assert out.stdout.replace(ADDED, b"", 1) == EVENT, what
        self.counts["as it came" if out.stdout == EVENT else
                    "with the picture"] += 1
        return failed > 0

    def run(self, step=1):
        server = Server(("127.0.0.1", 0), Answers)
        thread = threading.Thread(target=server.serve_forever,
                                  kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = "http://127.0.0.1:%d" % server.server_address[1]
            for forever in False, True:
                k = 1
                while self.one(url, k, forever):
                    k += step
                print("sensu: %d calls that can fail, %s" % (
                    k, "memory from then on" if forever else "each once"))
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        print("sensu: %s, 0 lost" % dict(self.counts))
        return sum(self.counts.values())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        SensuTorture(work).run(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
