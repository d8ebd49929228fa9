"""one_more.py STORE OTHER: the time to save one more image into each of the two
stores, through a responder, and to have nginx serve one of it. Part of purge.sh."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from conftest import fastcgi_records  # noqa: E402
from standin import TOKEN, Standin  # noqa: E402
from webservers import free_port  # noqa: E402

COUNT = 200


def ready(address):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX if isinstance(address, str)
                           else socket.AF_INET) as s:
            if s.connect_ex(address) == 0:
                return
    raise SystemExit("nothing listens at %s" % (address,))


class Responder:
    def __init__(self, folder, store, grafana):
        self.socket = os.path.join(folder, os.path.basename(store) + ".sock")
        conf = self.socket + ".conf"
        with open(conf, "w") as f:
            f.write("grafana = %s\npublic_url = http://127.0.0.1/%s\n"
                    "store = %s\nmin_free_bytes = 0\n" % (
                        grafana.url, os.path.basename(store), store))
        self.panel = (grafana.url + "/d/web/web?viewPanel=1&from=1000"
                      "&to=9999999&var-unique=1")
        self.process = subprocess.Popen(
            ["spawn-fcgi", "-n", "-s", self.socket, "--",
             os.path.join(ROOT, "build/grafana-images"), "-c", conf],
            stderr=subprocess.DEVNULL)
        ready(self.socket)

    def save(self):
        body = b'{"imageUrl": "%s"}' % self.panel.encode()
        request = fastcgi_records(body, {
            "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": "Bearer " + TOKEN,
            "REMOTE_ADDR": "127.0.0.1"})
        start = time.perf_counter()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            s.sendall(request)
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        assert b"pubImg" in answer, answer
        return time.perf_counter() - start


def nginx(folder, stores):
    port = free_port()
    conf = os.path.join(folder, "nginx.conf")
    with open(conf, "w") as f:
        f.write("user root; daemon off; pid %s/pid; error_log %s/error;\n"
                "events { } http { access_log off; server {\n"
                "listen 127.0.0.1:%d;\n%s } }\n" % (
                    folder, folder, port, "".join(
                        "location /%s/ { alias %s/; }\n" % (
                            os.path.basename(s), s) for s in stores)))
    process = subprocess.Popen(["nginx", "-e", folder + "/error", "-c", conf])
    ready(("127.0.0.1", port))
    return process, http.client.HTTPConnection("127.0.0.1", port)


def newest(store):
    """Images that were saved here: those that purge.sh made are small."""
    day = max(n for n in os.listdir(store) if not n.startswith("."))
    with os.scandir(os.path.join(store, day)) as entries:
        names = [e.name for e in entries if e.stat().st_size > 5000]
    return ["/%s/%s/%s" % (os.path.basename(store), day, n)
            for n in names[:COUNT]]


def serve(connection, path):
    start = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, path
    return time.perf_counter() - start


def say(what, times):
    full, empty = (statistics.median(t) * 1e6 for t in times)
    print("time %-58s %8.0f us : %8.0f us = %.3f" % (what, full, empty,
                                                     full / empty))


def main(stores):
    processes = []
    with tempfile.TemporaryDirectory() as folder, \
            Standin(token=TOKEN) as grafana:
        try:
            responders = [Responder(folder, s, grafana) for s in stores]
            processes += [r.process for r in responders]
            for _ in range(20):
                for r in responders:
                    r.save()
            times = [[], []]
            for _ in range(COUNT):
                for r, t in zip(responders, times):
                    t.append(r.save())
            say("save one more (goal 1.2)", times)
            server, connection = nginx(folder, stores)
            processes.append(server)
            paths = [newest(s) for s in stores]
            times = [[], []]
            for turn in range(2):  # the first one warms
                times = [[], []]
                for pair in zip(*paths):
                    for path, t in zip(pair, times):
                        t.append(serve(connection, path))
            say("serve one (goal 1.2)", times)
        finally:
            for p in processes:
                p.terminate()
            for p in processes:
                p.wait()


main(sys.argv[1:])
