"""Torture: fail the k-th call that can fail in one whole request, for every k,
once and from then on, and look at what is left: what is called saved is there,
and Grafana and the bucket were asked for what the client asked for.

    tests/e2e/private tests/faults/torture.py [STEP]

The request goes straight to the FastCGI socket; what fails is chosen by nth.c.
"""

import hashlib
import itertools
import json
import mmap
import os
import shutil
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import conftest
import objectstore
import service as service_module
from scripted import png
from service import SOCKET, STORE, images, until

NTH = os.path.join(service_module.BUILD, "nth.so")
TARGET = "/d/cpu-load/cpu-load?orgId=1&viewPanel=5&var-manner=close"
SECONDS = 20
# What is stored: a new image, one that is there already, a new one where the
# file system knows no nameless files, and an upload.
WAYS = "new", "again", "named", "put"
BUCKET_WAYS = "new", "again", "put"
STATUSES = {200, 201, 400, 401, 413, 422, 500, 502, 503, 504, 507}
UPLOAD = png(77)


class Control:
    """struct control of nth.c."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(128))
        os.chmod(path, 0o666)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 128)

    def arm(self, fail, forever, odds=0, named=False, memory=False):
        self.map[:104] = struct.pack("5q40xqqq", 0, fail, forever, 0, 0, odds,
                                     named, memory)
        self.map[:8] = struct.pack("q", 1)

    def disarm(self):
        """How many calls failed, and the first of these."""
        self.map[:8] = bytes(8)
        return struct.unpack("q", self.map[32:40])[0], self.name()

    def name(self):
        return self.map[40:80].split(b"\0")[0].decode()


def ask(request, stalled=lambda: None):
    """The bytes of the answer, b"" for a closed connection. stalled: called
    when there is none for a while."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(0.5)
        s.connect(SOCKET)
        out = b""
        end = time.monotonic() + SECONDS
        try:
            s.sendall(request)
            while True:
                try:
                    chunk = s.recv(65536)
                except TimeoutError:
                    if time.monotonic() > end:
                        raise
                    stalled()
                    continue
                if not chunk:
                    break
                out += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
    return out


def content(records):
    """What is in whole FastCGI records, and whether the last one was the end."""
    out, ended = b"", False
    while len(records) >= 8:
        size = int.from_bytes(records[4:6], "big")
        if records[1] == 6:
            out += records[8:8 + size]
        ended = ended or records[1] == 3
        records = records[8 + size + records[6]:]
    return out, ended


def reply(records):
    """The status and the JSON of a well-formed reply, 0 for a closed
    connection."""
    out, ended = content(records)
    if not ended or not out:
        return 0, {}  # the web server says 502
    head, body = out.split(b"\r\n\r\n", 1)
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers["Status"].split()[0])
    assert status in STATUSES, headers
    if headers["Content-Type"].startswith("text/plain"):
        # there was no memory for JSON
        assert status == 500 and body.startswith(b"internal: "), body
        return status, {}
    answer = json.loads(body)
    assert status in (200, 201) or (
        answer["status"] == status and answer["detail"]), answer
    return status, answer


class Folder:
    """The store of the shipped settings."""
    settings = {}

    def read(self, key):
        with open(os.path.join(STORE, key), "rb") as f:
            return f.read()

    def keys(self):
        return images()

    def forget(self):
        """So that the next picture is a new one, in a new folder."""
        for name in os.listdir(STORE):
            if name != ".state":
                shutil.rmtree(os.path.join(STORE, name), ignore_errors=True)


class Bucket:
    """A bucket that verifies each request's signature, its target with it."""

    def __init__(self, store, directory):
        self.store = store
        secret = os.path.join(directory, "secret")
        with open(secret, "w") as f:
            f.write(objectstore.SECRET)
        os.chmod(secret, 0o644)
        self.settings = {
            "store": "s3://%s" % objectstore.BUCKET, "s3_endpoint": store.url,
            "s3_access_key_id": objectstore.ID,
            "s3_secret_access_key_file": secret}

    def read(self, key):
        return self.store.objects[objectstore.BUCKET + "/" + key].body

    def keys(self):
        assert self.store.trouble == []
        return [k.partition("/")[2] for k in list(self.store.objects)]

    def forget(self):
        self.store.objects.clear()
        self.store.requests.clear()


FOLDER = Folder()


def judge(records, store=FOLDER):
    """The status of a reply; what it calls saved is there."""
    status, answer = reply(records)
    if status in (200, 201):
        key = "/".join(answer["pubImg"].split("/")[-2:])
        is_whole(key, store.read(key))
        assert len(store.read(key)) == answer["bytes"]
    return status


def is_whole(key, image):
    if key.startswith("uploads/"):
        assert image == UPLOAD
    else:
        assert hashlib.sha256(image).hexdigest() + ".png" == \
            key.split("/")[1]


def make_upload(name):
    return conftest.fastcgi_records(UPLOAD, {
        "REQUEST_METHOD": "PUT", "CONTENT_LENGTH": str(len(UPLOAD)),
        "PATH_INFO": "/" + name, "HTTP_ACCEPT": "application/json",
        "REMOTE_ADDR": "127.0.0.1"})


def make_request(url):
    body = json.dumps({"imageUrl": url}).encode()
    return conftest.fastcgi_records(body, {
        "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": "Bearer " + conftest.TOKEN,
        "HTTP_ACCEPT": "application/json", "REMOTE_ADDR": "127.0.0.1"})


def start_with_faults(service, **settings):
    """The service with nth.c in it, and what controls that."""
    service.stop()  # it may have mapped an earlier one of these files
    control = Control(os.path.join(service.dir, "nth"))
    preload = shutil.copy(NTH, service.dir)
    service.start(answer_seconds=3, environment={
        "LD_PRELOAD": preload,
        "NTH": os.path.join(service.dir, "nth"),
        "ASAN_OPTIONS": "verify_asan_link_order=0"}, **settings)
    return control


def rss_kib(service):
    with open("/proc/%d/statm" % service.pid) as f:
        return int(f.read().split()[1]) * 4


class Torture:
    def __init__(self, grafana, service, store=FOLDER):
        self.grafana = grafana
        self.service = service
        self.store = store
        self.control = start_with_faults(
            service, workers=1, uploads="on", **store.settings)
        self.requests = {"put": make_upload("upload.png")}
        self.post = make_request(grafana.url + TARGET)
        self.faults = 0
        self.seen = {}
        grafana.reset()
        for _ in range(3):
            assert judge(ask(self.post), store) == 200
        assert judge(ask(self.requests["put"]), store) == 201
        # what Grafana is asked, when nothing fails
        self.asked = grafana.requests()[0]
        self.files = self.settled()

    def settled(self):
        """The number of descriptors, once the connection is closed."""
        return self.service.files()

    def stalled(self):
        """While nobody can be accepted, nobody can be answered."""
        if self.control.name() == "accept4":
            self.control.disarm()

    def asked_for_nothing_else(self):
        for request in self.grafana.requests():
            assert request == self.asked, request
        self.grafana.reset()

    def is_clean(self, way, forever, name):
        for key in self.store.keys():
            is_whole(key, self.store.read(key))
        partial = os.path.join(STORE, ".partial")
        # one that cannot be removed is swept when it is old
        assert not os.path.isdir(partial) or os.listdir(partial) == [] or \
            way == "named" and (forever or name == "unlinkat")

    def one(self, way, k, forever):
        """False when there is no k-th call any more."""
        request = self.requests.get(way, self.post)
        self.store.forget()
        if way == "again":
            assert judge(ask(request), self.store) == 200
        self.control.arm(k, forever, named=way == "named")
        try:
            status = judge(ask(request, self.stalled), self.store)
            failed, name = self.control.disarm()
            self.asked_for_nothing_else()
            self.is_clean(way, forever, name)
        except Exception as e:
            raise AssertionError("%s, %s call %d, %s" % (
                way, self.control.name(), k, forever)) from e
        finally:
            self.control.disarm()
        what = "%s, %s call %d%s: %s" % (
            way, name, k, " and on" if forever else "", status)
        self.store.forget()
        assert self.service.process.poll() is None, what
        assert judge(ask(self.post), self.store) == 200, what
        until(lambda: self.service.files() <= self.files,
              what + ": descriptors come back", 10)
        self.faults += failed
        self.seen.setdefault(name, {}).setdefault(status, 0)
        self.seen[name][status] += 1
        return failed > 0

    def run(self, step=1, ways=WAYS):
        for way, forever in itertools.product(ways, (False, True)):
            self.memory = rss_kib(self.service)
            k = 1
            while self.one(way, k, forever):
                k += step
            print("%s: %d calls that can fail, %s: each failed in turn" % (
                way, k, "from then on" if forever else "once"))
        # a sanitizer keeps what was freed for a while
        assert service_module.sanitized() or \
            rss_kib(self.service) < self.memory + 1024, "memory is not given back"
        self.service.check_log()
        return self.faults

    def show(self):
        print("%d faults; %d KiB before, %d KiB after" % (
            self.faults, self.memory, rss_kib(self.service)))
        for name, outcomes in sorted(self.seen.items()):
            print("  %-16s %s" % (name or "none", outcomes))


def run_by_hand(work):
    """Call it with a stand-in for Grafana and a service, and end these."""
    import standin
    with standin.Standin(token=conftest.TOKEN) as grafana:
        s = service_module.Service(
            conftest.TOKEN, grafana.url + conftest.PANEL, grafana=grafana.url,
            public_url="http://127.0.0.1/saved-images", min_free_bytes=1,
            reuse_seconds=0)
        try:
            work(grafana, s)
        finally:
            s.close()


def main(grafana, service):
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torture = Torture(grafana, service)
    torture.run(step)
    torture.show()
    with objectstore.ObjectStore() as store:
        torture = Torture(grafana, service, Bucket(store, service.dir))
        torture.run(step, BUCKET_WAYS)
        torture.show()
    import torture_sensu
    torture_sensu.SensuTorture(service.dir).run(step)


if __name__ == "__main__":
    run_by_hand(main)
