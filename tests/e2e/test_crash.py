"""What a crash or a broken disk leaves of the store.

Calls are made to fail by strace, which is attached once the service runs.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from service import SECONDS, STORE, images, sanitized, until, user_of_its_own

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "faults"))

import torture  # noqa: E402

# How many of them one request makes, at least.
CALLS = {"mkdirat": 1, "openat": 2, "pwrite64": 1, "write": 2, "fchmod": 1, "fsync": 3,
         "linkat": 1, "utimensat": 0, "unlinkat": 0}
STORING = ",".join(CALLS)
TODAY = time.strftime("%Y-%m-%d", time.gmtime())

pytestmark = pytest.mark.skipif(
    sanitized() or os.geteuid() != 0,
    reason="strace is attached by root; a sanitizer's calls are its own")


# The same without nameless files, and when the image is there already.
NAMED = {"mkdirat": 2, "openat": 5, "pwrite64": 1, "write": 2, "fchmod": 1, "fsync": 3,
         "linkat": 1, "flock": 1, "unlinkat": 1}
AGAIN = {"openat": 2, "flock": 1, "utimensat": 1, "fsync": 2, "write": 2}


class Strace:
    """strace on a running service, with these options."""

    def __init__(self, service, *options):
        self.output = os.path.join(service.dir, "strace")
        self.process = subprocess.Popen(
            ["strace", "-f", "-y", "-s", "32", "-o", self.output, *options,
             "-p", str(service.pid)],
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "attached" in line, line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.stderr.close()

    def lines(self):
        with open(self.output) as f:
            return f.read().splitlines()


def inject(what):
    return "-e", "trace=" + what.split(":")[0], "-e", "inject=" + what


def check_store():
    """What is published is whole."""
    for path in images():
        with open(os.path.join(STORE, path), "rb") as f:
            image = f.read()
        assert path == "%s/%s.png" % (
            path.split("/")[0], hashlib.sha256(image).hexdigest())
    named = {name for folder, _, names in os.walk(STORE) for name in names
             if os.path.basename(folder) != ".partial"}
    assert all(n in ("key", "metrics.1") or re.fullmatch(r"[0-9a-f]{64}\.png", n)
               for n in named), named
    return len(images())


def killed(service, post, call, nth):
    """Was it, at the n-th such call after it began to serve?"""
    service.begin()
    with Strace(service, *inject("%s:signal=SIGKILL:when=%d" % (call, nth))):
        if post().status == 200:
            return False
        # strace, told to end while who it traces is dying, never does
        until(lambda: service.process.poll() is not None, "it is dead")
    service.process = None
    return True


@pytest.mark.parametrize("call", STORING.split(","))
def test_killed_at_any_call_it_leaves_only_whole_images(
        empty_store, service, post, call):
    nth = 1
    service.start(workers=1)
    while killed(service, post, call, nth):
        check_store()
        service.start(workers=1)
        assert post().status == 200
        assert check_store() == 1
        service.stop()
        shutil.rmtree(STORE)
        service.start(workers=1)
        nth += 1
    assert nth > CALLS[call]


def age(folder):
    """So that what a crash left is swept now, not in an hour."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        os.utime(os.path.join(folder, name), (1, 1))


@pytest.mark.skipif(not os.path.exists(torture.NTH), reason="needs nth.so")
@pytest.mark.parametrize("call", NAMED)
def test_killed_where_there_are_no_nameless_files_it_leaves_only_whole_images(
        empty_store, service, post, call):
    def start():
        torture.start_with_faults(service, workers=1).arm(0, False, named=True)

    partial = os.path.join(STORE, ".partial")
    nth = 1
    start()
    while killed(service, post, call, nth):
        check_store()
        age(partial)
        start()
        assert post().status == 200
        assert check_store() == 1
        assert os.listdir(partial) == []
        service.stop()
        shutil.rmtree(STORE)
        start()
        nth += 1
    assert os.listdir(partial) == []
    assert nth > NAMED[call]


@pytest.mark.parametrize("call", AGAIN)
def test_killed_while_an_image_is_saved_again_it_leaves_it_whole(
        empty_store, service, post, call):
    def start_another():
        """A process that has not synced the image itself."""
        service.stop()
        service.start(workers=1)

    def save():
        """The same picture, also in the next minute."""
        return post("/d/cpu-load/cpu-load?viewPanel=5&from=1795860000000"
                    "&to=1795881600000")

    nth = 1
    start_another()
    assert save().status == 200
    start_another()
    while killed(service, save, call, nth):
        assert check_store() == 1
        service.start(workers=1)
        assert save().status == 200
        assert check_store() == 1
        start_another()
        nth += 1
    assert nth > AGAIN[call]


def test_an_answer_that_is_reused_syncs_nothing(empty_store, service, post):
    service.start(workers=1, reuse_seconds=600)
    assert post().status == 200
    with Strace(service, "-e", "trace=fsync,fdatasync,write") as strace:
        assert {post().status for _ in range(20)} == {200}
        until(lambda: sum("ts=" in line for line in strace.lines()) == 20,
              "all are logged")
        assert not [line for line in strace.lines() if "sync(" in line]
    # another process cannot know that the image is on the disk
    service.stop()
    service.start(workers=1, reuse_seconds=600)
    with Strace(service, "-e", "trace=fsync,fdatasync,write") as strace:
        assert post().status == 200
        until(lambda: any("ts=" in line for line in strace.lines()),
              "it is logged")
        assert sum("fsync(" in line for line in strace.lines()) >= 2


def test_all_is_on_the_disk_before_the_answer(empty_store, service, post):
    service.start(workers=1)
    with Strace(service, "-e", "trace=" + STORING) as strace:
        assert post().status == 200
        until(lambda: any("outcome=saved" in line or "ts=" in line
                          for line in strace.lines()), "it is logged")
        lines = strace.lines()

    def first(pattern, after=-1):
        for n, line in enumerate(lines):
            if n > after and re.search(pattern, line):
                return n
        raise AssertionError("%s is not in:\n%s" % (pattern, "\n".join(lines)))

    store, day = re.escape(STORE), re.escape(STORE + "/" + TODAY)
    made = first(r'mkdirat\(\d+<%s>, "%s", 0711\) += 0' % (store, TODAY))
    store_synced = first(r"fsync\(\d+<%s>\) += 0" % store, made)
    opened = first(r"openat\(\d+<%s>.*O_TMPFILE" % day)
    written = first(r'pwrite64\(\d+<%s/#.*"\\211PNG' % day, opened)
    file_synced = first(r"fsync\(\d+<%s/#" % day, written)
    linked = first(r"linkat\(AT_FDCWD.*%s>, \"[0-9a-f]{32}" % day, file_synced)
    day_synced = first(r"fsync\(\d+<%s>\) += 0" % day, linked)
    answered = first(r"write\(\d+<socket:", day_synced)
    assert max(store_synced, day_synced) < answered
    assert not any(re.search(r"write\(\d+<socket:", line)
                   for line in lines[:day_synced])


FAULTS = [
    ("pwrite64:error=EDQUOT:when=1", 507, "store-full"),
    ("pwrite64:error=ENOSPC:when=1", 507, "store-full"),
    ("linkat:error=ENOSPC:when=1", 507, "store-full"),
    ("pwrite64:error=EIO:when=1", 500, "store-failed"),
    ("fsync:error=EIO:when=1", 500, "store-failed"),
    ("fsync:error=EIO:when=2", 500, "store-failed"),
    ("fsync:error=EIO:when=3", 500, "store-failed"),
    ("mkdirat:error=EROFS", 500, "store-failed"),
    ("openat:error=EMFILE", 500, "store-failed"),
    ("openat:error=EROFS:when=3+", 500, "store-failed"),
    ("pwrite64:error=EINTR:when=1", 200, "saved"),
]


@pytest.mark.parametrize("fault,status,outcome", FAULTS)
def test_a_disk_that_fails_has_its_outcome_and_leaves_nothing_half(
        empty_store, service, post, fault, status, outcome):
    service.start(workers=1)
    with Strace(service, *inject(fault)):
        answer = post()
    assert (answer.status, service.record()["outcome"]) == (status, outcome)
    check_store()
    assert post().status == 200
    assert check_store() == 1


def test_a_full_disk_is_store_full_and_recovers(empty_store, service, post):
    os.mkdir(STORE, 0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k,mode=0711",
                    "store", STORE], check=True)
    try:
        if user_of_its_own():
            shutil.chown(STORE, "daemon", "daemon")
        service.start(min_free_bytes=0)
        statuses = []
        while not statuses or statuses[-1] == 200:
            statuses.append(post("/d/uid?viewPanel=%d" % len(statuses)).status)
        assert statuses[-1] == 507 and len(statuses) > 2
        assert service.record(len(statuses))["outcome"] == "store-full"
        assert check_store() == len(statuses) - 1
        for path in images()[:2]:
            os.unlink(os.path.join(STORE, path))
        assert post("/d/uid?viewPanel=%d" % (len(statuses) - 1)).status == 200
    finally:
        service.stop()
        subprocess.run(["umount", STORE], check=True)
