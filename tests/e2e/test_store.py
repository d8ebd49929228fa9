"""A store that is not as it should be: at start, later, and well again."""

import os
import shutil
import subprocess
import time

import pytest

from conftest import PANEL
from service import STORE, Reply, images, until, user_of_its_own

pytestmark = pytest.mark.skipif(not user_of_its_own(),
                                reason="no other user exists here")
SIZE = 4 << 20  # of a disk
ROUNDS = 40


@pytest.fixture
def health(nginx):
    return lambda: Reply(*nginx.ask("/grafana-images/health"))


@pytest.fixture
def place(service):
    """Where a store is to be: in a folder of root's."""
    service.stop()
    service.begin()
    top = os.path.join(service.dir, "place")
    os.mkdir(top, 0o755)
    yield os.path.join(top, "images")
    service.stop()
    subprocess.run(["umount", "--lazy", os.path.join(top, "images")],
                   stderr=subprocess.DEVNULL)
    shutil.rmtree(top, ignore_errors=True)


def make(path):
    os.mkdir(path, 0o711)
    shutil.chown(path, "daemon", "daemon")


def mount(path, *options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(
        ("mode=0711", "size=%d" % SIZE, *options)), "disk", path], check=True)
    shutil.chown(path, "daemon", "daemon")


def remount(path, mode):
    subprocess.run(["mount", "-o", "remount," + mode, path], check=True)


def fill(path):
    with open(os.path.join(path, "something-large"), "wb", buffering=0) as f:
        with pytest.raises(OSError):
            while True:
                f.write(b"x" * 65536)


class Fault:
    """A store that cannot be written. status, outcome: of a request then; says:
    in the reply; log: in the log; store: in ?health."""
    status, outcome, store = 500, "store-failed", "cannot be written"
    log = ""

    def __init__(self, path):
        self.path = path


class Missing(Fault):
    says, log = "missing", "No such file or directory"

    def begin(self):
        pass

    def mend(self):
        make(self.path)


class MissingWithItsFolder(Missing):
    def begin(self):
        os.rmdir(os.path.dirname(self.path))

    def mend(self):
        os.mkdir(os.path.dirname(self.path), 0o755)
        make(self.path)


class NotMounted(Fault):
    says, log = "owner", "Permission denied"

    def begin(self):
        os.mkdir(self.path, 0o755)

    def mend(self):
        mount(self.path)


class Anothers(NotMounted):
    def mend(self):
        shutil.chown(self.path, "daemon", "daemon")


class ReadOnly(Fault):
    says, log = "mount it for writing", "Read-only file system"
    store = "is on a read-only file system"

    def begin(self):
        os.mkdir(self.path)
        mount(self.path)
        remount(self.path, "ro")

    def mend(self):
        remount(self.path, "rw")


class Full(Fault):
    status, outcome, store = 507, "store-full", "full"
    says, log = "disk is full", " bytes are free, "

    def begin(self):
        os.mkdir(self.path)
        mount(self.path)
        fill(self.path)

    def mend(self):
        os.unlink(os.path.join(self.path, "something-large"))


class NoFolder(Fault):
    says, log = "remove what is no folder", "Not a directory"

    def begin(self):
        with open(self.path, "w"):
            pass

    def mend(self):
        os.unlink(self.path)
        make(self.path)


FAULTS = [Missing, MissingWithItsFolder, NotMounted, Anothers, ReadOnly, Full,
          NoFolder]
every_fault = pytest.mark.parametrize("kind", FAULTS,
                                      ids=[kind.__name__ for kind in FAULTS])


@every_fault
def test_a_store_that_cannot_be_written_at_start_is_served_until_it_can(
        service, place, post, health, kind):
    fault = kind(place)
    fault.begin()
    service.start(store=place)
    pid = service.pid
    answer = health()
    assert (answer.status, answer.json["store"]) == (503, fault.store)
    failed = post("/d/early?viewPanel=1")
    assert (failed.status, failed.json["outcome"]) == (fault.status, fault.outcome)
    assert fault.says in failed.json["detail"]
    assert place not in failed.text  # is for the log
    why = service.record()["why"]
    assert place in why and fault.log in why
    if fault.outcome == "store-failed":
        assert "store = %s: " % place in service.text()
    fault.mend()
    assert health().status == 200
    saved = post("/d/late?viewPanel=1")
    assert saved.status == 200
    assert os.path.exists(place + saved.json["pubImg"].partition("saved-images")[2])
    assert service.pid == pid


@pytest.mark.parametrize("kind", [ReadOnly, Full],
                         ids=["ReadOnly", "Full"])
def test_a_store_that_fails_meanwhile_gets_well_by_itself(
        service, place, post, health, kind):
    os.mkdir(place)
    mount(place)
    state = place + ".state"  # what is mapped for writing keeps it mounted so
    make(state)
    service.start(store=place, state=state)
    assert post("/d/before?viewPanel=1").status == 200
    if kind is Full:
        fill(place)
    else:
        remount(place, "ro")
    fault = kind(place)
    failed = post("/d/meanwhile?viewPanel=1")
    assert (failed.status, failed.json["outcome"]) == (fault.status, fault.outcome)
    assert fault.says in failed.json["detail"]
    assert (health().status, health().json["store"]) == (503, fault.store)
    fault.mend()
    assert health().status == 200
    assert post("/d/after?viewPanel=1").status == 200


def test_too_little_room_is_told_from_a_full_disk(service, place, post):
    os.mkdir(place)
    mount(place)
    service.start(store=place, min_free_bytes=2 * SIZE)
    refused = post()
    assert (refused.status, refused.json["outcome"]) == (507, "store-full")
    assert "less than min_free_bytes (%d)" % (2 * SIZE) in refused.json["detail"]
    why = service.record()["why"]
    assert " bytes are free, " in why and " are wanted, " in why and place in why


def test_without_its_state_it_serves_and_warns(service, place, post, nginx):
    service.start(store=place)
    text = service.text()
    assert "warning: state = %s/.state: cannot be used: " % place in text
    assert "warning: metrics cannot be shared: " in text
    make(place)
    assert post().status == 200
    metrics = Reply(*nginx.ask("/grafana-images/metrics")).text
    assert 'requests_total{outcome="saved"} 1\n' in metrics


# ---- Another folder in its place


@pytest.fixture
def whole(empty_store, service):
    service.start()
    yield service
    subprocess.run(["umount", "--lazy", STORE], stderr=subprocess.DEVNULL)


def restore(_):
    os.rename(STORE, STORE + ".old")
    make(STORE)


def put_back(_):
    shutil.rmtree(STORE)
    os.rename(STORE + ".old", STORE)


@pytest.mark.parametrize("exchange, undo", [
    (restore, put_back),
    (lambda _: mount(STORE), lambda _: subprocess.run(["umount", STORE], check=True)),
], ids=["by rename", "by a mount"])
def test_another_folder_in_the_place_of_the_store_is_store_failed(
        whole, post, get, health, exchange, undo):
    before = post("/d/before?viewPanel=1").json["pubImg"]
    exchange(STORE)
    answer = health()
    assert answer.status == 503
    assert answer.json["store"] == "was replaced by another folder"
    failed = post("/d/meanwhile?viewPanel=1")
    assert (failed.status, failed.json["outcome"]) == (500, "store-failed")
    assert "restart the service" in failed.json["detail"]
    assert STORE in whole.record(2)["why"]
    assert images() == []
    undo(STORE)
    assert health().status == 200
    after = post("/d/after?viewPanel=1")
    assert after.status == 200
    assert [get(url).status for url in (before, after.json["pubImg"])] == [200, 200]


def test_after_a_restart_the_other_folder_is_the_store(whole, post, get, health):
    restore(STORE)
    assert health().status == 503
    whole.stop()
    whole.start()
    assert health().status == 200
    assert get(post().json["pubImg"]).status == 200
    shutil.rmtree(STORE + ".old")


def test_an_answer_is_not_reused_from_another_folder(whole, post):
    whole.start(reuse_seconds=600)
    assert post().status == 200
    restore(STORE)
    assert post().json["outcome"] == "store-failed"
    put_back(STORE)
    assert post().status == 200


# ---- A day's folder


def test_a_days_folder_that_is_a_link_is_named(whole, post, health, tmp_path):
    day = os.path.join(STORE, time.strftime("%Y-%m-%d", time.gmtime()))
    os.symlink(tmp_path, day)
    failed = post()
    assert (failed.status, failed.json["outcome"]) == (500, "store-failed")
    why = whole.record()["why"]
    assert day in why and "Not a directory" in why
    assert (health().status, health().json["store"]) == (503, "cannot be written")
    os.unlink(day)
    assert health().status == 200
    assert post().status == 200
    assert os.listdir(tmp_path) == []


def test_a_loop_that_removes_empty_folders_costs_no_image(whole, post):
    loop = subprocess.Popen(
        ["sh", "-c", "while :; do rmdir %s/20* 2>/dev/null; done" % STORE])
    try:
        for n in range(ROUNDS):
            answer = post(PANEL + "&width=%d&height=200" % (300 + n))
            assert answer.status == 200, answer.text
            for image in images():
                os.unlink(os.path.join(STORE, image))
    finally:
        loop.kill()
        loop.wait()
