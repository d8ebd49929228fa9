"""purge and remove, from outside: what goes, what stays, and beside whom."""

import datetime
import fcntl
import hashlib
import os
import re
import pty
import shutil
import subprocess
import threading
import time

import pytest

from conftest import PANEL
from service import CONF, PROGRAM, STORE, images, until
from webservers import has_www_data

DAY = 86400
FAKETIME = "/usr/lib/%s-linux-gnu/faketime/libfaketimeMT.so.1" % os.uname().machine
# A sanitizer looks for leaks as a tracer does, and there can be only one; and it
# wants to be the first library.
TRACED = {"ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}


def day(back):
    """The name of the day so many days back."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now - datetime.timedelta(days=back)).strftime("%Y-%m-%d")


def put(path, hours=0.0, size=100):
    """A file in the store, so many hours old."""
    path = os.path.join(STORE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(b"x" * size)
    when = time.time() - hours * 3600
    os.utime(path, (when, when))
    own(os.path.dirname(path))
    own(path)
    return path


def own(path):
    if os.geteuid() == 0 and has_www_data():
        shutil.chown(path, "daemon", "daemon")


def image(folder, n, **kw):
    return put("%s/%s.png" % (folder, hashlib.sha256(b"%d" % n).hexdigest()),
               **kw)


def run(*arguments, below=(), **environment):
    return subprocess.run([*below, PROGRAM, *arguments], capture_output=True,
                          text=True, env={"PATH": os.environ["PATH"],
                                          **(TRACED if below else {}),
                                          **environment})


def injected(what, *arguments, folders=()):
    """The command with errors from the kernel that it did not give, for what
    it does in these folders of the store (in none: for all)."""
    only = [o for f in folders for o in ("-P", os.path.join(STORE, f))]
    return run(*arguments, below=("strace", "-f", "-o", os.devnull, *only,
                                  "-e", "trace=" + what.split(":")[0],
                                  "-e", "inject=" + what))


@pytest.fixture
def store(service, empty_store):
    """store(setting=value): the settings, and an empty store of the service's
    user."""
    def configure(**settings):
        service.configure(**settings)
    os.mkdir(STORE, 0o711)
    own(STORE)
    return configure


def there(*paths):
    return [os.path.exists(os.path.join(STORE, p)) for p in paths]


# What goes

def test_a_day_that_is_over_goes_whole_and_is_counted(store):
    store(keep_days=7)
    for n in range(5):
        image(day(8), n, size=1000)
    image(day(7), 1)
    image(day(0), 1)
    out = run("purge")
    assert (out.returncode, out.stderr) == (0, "")
    assert out.stdout == "removed 5 images, 5000 bytes\n"
    assert there(day(8), day(7), day(0)) == [False, True, True]
    assert run("purge").stdout == "removed 0 images, 0 bytes\n"


def test_a_dry_run_says_what_would_go_and_changes_nothing(store):
    store(keep_days=7, keep_bytes=250)
    for n in range(5):
        image(day(9), n, hours=9 * 24, size=1000)
    for n in range(5):
        image(day(2), n, hours=48 + n)
    before = sorted(os.walk(STORE))
    out = run("purge", "--dry-run")
    assert (out.returncode, out.stderr) == (0, "")
    assert out.stdout == "would remove 8 images, 5300 bytes\n"
    assert sorted(os.walk(STORE)) == before
    assert run("purge").stdout == "removed 8 images, 5300 bytes\n"


def test_uploads_and_the_older_program_s_images_age_by_their_time(store):
    store(keep_days=7)
    put("uploads/old.png", hours=9 * 24)
    put("uploads/new.png", hours=6 * 24)
    put("0123456789abcdef0123456789abcdef.png", hours=9 * 24)
    put("1123456789abcdef0123456789abcdef.png", hours=6 * 24)
    assert run("purge").stdout == "removed 2 images, 200 bytes\n"
    assert images() == ["1123456789abcdef0123456789abcdef.png",
                        "uploads/new.png"]


def test_keep_bytes_removes_the_oldest_but_none_younger_than_two_hours(store):
    store(keep_bytes=100)
    image(day(5), 1, hours=120)
    image(day(4), 1, hours=96)
    image(day(0), 1, hours=2.1)
    young = image(day(0), 2, hours=1.9)
    other = image(day(0), 3, hours=1.9)
    out = run("purge")
    assert out.returncode == 0
    assert out.stdout == "removed 3 images, 300 bytes\n"
    assert "still 100 bytes larger than keep_bytes" in out.stderr
    assert os.path.exists(young) and os.path.exists(other)
    assert there(day(5), day(4), day(0)) == [False, False, True]


def test_with_nothing_set_all_images_are_kept_and_that_is_said(store):
    store()
    image("2001-01-01", 1)
    out = run("purge")
    assert out.returncode == 0
    assert "all images are kept" in out.stdout
    assert len(images()) == 1


def test_what_a_crash_left_is_swept_and_nothing_else_hidden(store):
    store(keep_days=1)
    put(".state/key", hours=9999)
    put(".partial/old", hours=2)
    put(".partial/new", hours=0.5)
    locked = put(".partial/locked", hours=2)
    with open(locked) as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert run("purge").returncode == 0
    assert there(".state/key", ".partial/old", ".partial/new",
                 ".partial/locked") == [True, False, True, True]


def test_wrong_arguments_are_usage_and_wrong_settings_78(store):
    store(keep_days=1)
    for arguments in (["purge", "more"], ["purge", "--dry-run", "--dry-run"],
                      ["remove"], ["remove", "--all"]):
        out = run(*arguments)
        assert (out.returncode, out.stdout) == (64, ""), arguments
        assert out.stderr.startswith("usage: ")
    with open(CONF, "w") as f:
        f.write("keep_days = -1\n")
    assert run("purge").returncode == 78
    assert run("remove", "x").returncode == 78


def test_without_a_store_there_is_nothing_to_purge_and_none_is_made(store):
    store(keep_days=1)
    os.rmdir(STORE)
    for arguments in (["purge"], ["purge", "--dry-run"], ["remove", "x"]):
        out = run(*arguments)
        assert out.returncode == 66
        assert STORE in out.stderr
    assert not os.path.exists(STORE)


def test_a_bucket_is_its_own_lifecycle_rule_s(store):
    store(keep_days=1, store="s3://bucket/prefix",
          s3_endpoint="https://s3.example.com")
    out = run("purge")
    assert (out.returncode, out.stderr) == (0, "")
    assert "lifecycle rule" in out.stdout and out.stdout.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_it_takes_the_identity_of_the_store_s_owner(store):
    if not has_www_data():
        pytest.skip("no other users in this namespace")
    store(keep_days=1)
    assert run("purge").returncode == 0
    lock = os.stat(os.path.join(STORE, ".state/purge.lock"))
    assert lock.st_uid == os.stat(STORE).st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("arguments", [
    ["remove", "panel.png"], ["check"]], ids=lambda a: a[0])
def test_as_root_a_command_takes_the_identity_of_the_store_s_owner(
        store, tmp_path, arguments):
    if not has_www_data():
        pytest.skip("no other users in this namespace")
    store(keep_days=1)
    trace = tmp_path / "trace"
    run(*arguments, below=("strace", "-o", str(trace), "-e", "trace=setuid"))
    owner = os.stat(STORE).st_uid
    assert owner != 0
    assert re.match(r"setuid\(%d\) += 0$" % owner, trace.read_text(), re.M)


def trap(path):
    """Somebody else's folder with an image that a purge would remove."""
    folder = path / day(30)
    folder.mkdir(parents=True)
    victim = folder / ("a" * 64 + ".png")
    victim.write_text("x")
    return victim


@pytest.fixture
def moved(store, tmp_path):
    """moved(path): the store is there, in a folder of the service's user."""
    if os.geteuid() != 0 or not has_www_data():
        pytest.skip("no other users in this namespace")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != tmp_path.parents[-1]:
            folder.chmod(folder.stat().st_mode | 0o11)
    top = tmp_path / "top"
    top.mkdir()
    shutil.chown(top, "daemon", "daemon")
    store(keep_days=1, store=top / "images")
    return top / "images"


@pytest.mark.parametrize("command", [["purge"], ["remove", "%s.png" % ("a" * 64)]],
                         ids=lambda c: c[0])
def test_as_root_it_follows_no_link_of_the_services_user(
        moved, tmp_path, command):
    for owner in ("root", "www-data"):
        victim = trap(tmp_path / owner)
        shutil.chown(tmp_path / owner, owner, owner)
        moved.symlink_to(tmp_path / owner)
        os.lchown(moved, os.stat(moved.parent).st_uid, -1)
        out = run(*command)
        assert out.returncode == 77
        assert "a link of another user" in out.stderr and str(moved) in out.stderr
        assert victim.exists() and not (tmp_path / owner / ".state").exists()
        moved.unlink()


def test_as_root_it_enters_no_folder_of_roots_that_others_could_put_there(
        moved):
    victim = trap(moved)
    out = run("purge")
    assert out.returncode == 77
    assert "belongs to root" in out.stderr
    assert victim.exists() and not (moved / ".state").exists()


def test_as_root_a_check_says_so_and_looks_all_the_same(moved):
    trap(moved)
    out = run("check")
    assert out.returncode == 0
    assert "belongs to root" in out.stderr and "store = " in out.stdout


def test_as_root_it_takes_links_of_roots_and_of_the_owners(moved, tmp_path):
    victim = trap(tmp_path / "disk")
    for path in (tmp_path / "disk", victim.parent, victim):
        shutil.chown(path, "daemon", "daemon")
    moved.symlink_to(tmp_path / "disk")
    out = run("purge", "--dry-run")
    assert (out.returncode, out.stdout) == (0, "would remove 1 images, 1 bytes\n")
    os.lchown(moved, os.stat(moved.parent).st_uid, -1)
    out = run("purge")
    assert (out.returncode, out.stdout) == (0, "removed 1 images, 1 bytes\n")


def test_as_root_it_purges_roots_own_store_in_roots_own_folders(store, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    victim = trap(tmp_path / "images")
    store(keep_days=1, store=tmp_path / "images")
    out = run("purge")
    assert (out.returncode, out.stdout) == (0, "removed 1 images, 1 bytes\n")
    assert not victim.exists()


# How it tells

def test_a_second_purge_says_so_and_ends_with_75(store):
    store(keep_days=1)
    image(day(9), 1)
    put(".state/purge.lock")
    with open(os.path.join(STORE, ".state/purge.lock")) as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        out = run("purge")
        assert (out.returncode, out.stdout) == (75, "")
        assert "another purge is running" in out.stderr
        assert len(images()) == 1
        assert run("purge", "--dry-run").returncode == 0
    assert run("purge").returncode == 0
    assert images() == []


def test_without_a_folder_for_the_lock_it_warns_and_goes_on(store, tmp_path):
    store(keep_days=1, state="/dev/null/state")
    image(day(9), 1)
    out = run("purge")
    assert out.returncode == 0
    assert out.stderr.count("\n") == 1 and "warning: state" in out.stderr
    assert images() == []


def test_only_on_a_terminal_it_shows_how_far_it_is(store):
    store(keep_days=1)
    for n in range(200):
        image(day(9), n)
    above, below = pty.openpty()
    with subprocess.Popen([PROGRAM, "purge"], stdout=subprocess.PIPE,
                          stderr=below, text=True) as p:
        os.close(below)
        shown = b""
        try:
            while chunk := os.read(above, 4096):
                shown += chunk
        except OSError:  # the other end was closed
            pass
        os.close(above)
        assert p.stdout.read() == "removed 200 images, 20000 bytes\n"
    assert p.returncode == 0
    assert (b"\r\x1b[K%s, folder 1 of 1: 1 images looked at, 0 removed"
            % day(9).encode()) in shown
    assert shown.endswith(b"\r\x1b[K")


# What is left alone

def test_what_is_no_image_is_left_alone_and_named(store):
    store(keep_days=1, keep_bytes=1)
    old = day(9)
    image(old, 1)
    put(old + "/notes.txt")
    put(old + "/" + "n" * 255)
    put(old + "/bad\x1b[2J\nname")
    put(old + "/%s.png" % ("A" * 64))
    os.mkdir(os.path.join(STORE, old, "0" * 64 + ".png"))
    os.mkfifo(os.path.join(STORE, old, "1" * 64 + ".png"))
    os.symlink("/etc/passwd", os.path.join(STORE, old, "2" * 64 + ".png"))
    put("2026-02-30/%s.png" % ("3" * 64))
    put("index.html")
    before = sorted(os.listdir(os.path.join(STORE, old)))
    out = run("purge")
    assert out.returncode == 0
    assert out.stdout == "removed 1 images, 100 bytes\n"
    lines = out.stderr.splitlines()
    assert len(lines) == 9, out.stderr
    assert all(line.endswith("it is left alone") for line in lines)
    assert "%s/%s/bad\\x1b[2J\\x0aname: is no image" % (STORE, old) \
        in out.stderr
    assert "/2026-02-30: is no image" in out.stderr
    assert len(os.listdir(os.path.join(STORE, old))) == len(before) - 1


def test_of_many_such_files_the_rest_is_counted(store):
    store(keep_days=1)
    for n in range(150):
        put("%s/%d.txt" % (day(9), n))
    out = run("purge")
    assert out.stderr.count("\n") == 101
    assert "50 more files" in out.stderr


def test_a_link_instead_of_a_folder_is_not_followed(store, tmp_path):
    store(keep_days=1, keep_bytes=1)
    image("other", 1, hours=999)
    shutil.move(os.path.join(STORE, "other"), tmp_path / "other")
    os.symlink(tmp_path / "other", os.path.join(STORE, day(9)))
    os.symlink(tmp_path / "other", os.path.join(STORE, "uploads"))
    out = run("purge")
    assert out.stdout == "removed 0 images, 0 bytes\n"
    assert out.stderr.count("is no folder, but has the name of one") == 2
    assert len(os.listdir(tmp_path / "other")) == 1


@pytest.mark.parametrize("how", ["tmpfs", "bind"])
def test_what_is_mounted_in_the_store_is_not_entered(store, how):
    store(keep_days=1, keep_bytes=1)
    inside = os.path.join(STORE, day(9))
    elsewhere = os.path.join(os.path.dirname(STORE), "elsewhere")
    for folder in (inside, elsewhere):
        os.mkdir(folder)
        own(folder)
    # of the same file system, so that the device tells nothing
    subprocess.run(["mount", "-t", "tmpfs", "none", inside] if how == "tmpfs"
                   else ["mount", "--bind", elsewhere, inside], check=True)
    try:
        path = image(day(9), 1, hours=999)
        out = run("purge")
        assert out.stdout == "removed 0 images, 0 bytes\n"
        assert inside + ": is another file system" in out.stderr
        assert os.path.exists(path)
    finally:
        subprocess.run(["umount", inside], check=True)
        shutil.rmtree(elsewhere)


def test_a_file_that_cannot_be_removed_is_said_and_the_rest_goes(store):
    store(keep_days=1)
    paths = [image(day(9), n) for n in range(3)]
    subprocess.run(["mount", "--bind", CONF, paths[1]], check=True)
    try:
        out = run("purge")
        assert out.returncode == 74
        assert "removed 2 images" in out.stdout
        assert paths[1] + ": cannot be removed: Device or resource busy" \
            in out.stderr
    finally:
        subprocess.run(["umount", paths[1]], check=True)
    assert run("purge").returncode == 0
    assert images() == []


# What NFS and crashes do

@pytest.mark.parametrize("what", [
    "unlinkat:error=ENOENT:when=2+2",
    "unlinkat:error=ESTALE:when=1+2",
    "newfstatat:error=ENOENT:when=1+2",
    "newfstatat:error=ESTALE:when=2+2",
    "openat:error=ESTALE:when=1+2",
    "getdents64:error=ENOENT:when=2",
    "getdents64:error=ESTALE:when=3+3",
    "flock:error=ENOLCK",
])
def test_errors_of_nfs_are_tolerated_and_the_next_purge_does_the_rest(
        store, what):
    store(keep_days=1, keep_bytes=1)
    for n in range(4):
        image(day(9), n, hours=999)
        image(day(1), n, hours=24)
        put("uploads/%d.png" % n, hours=999)
    out = injected(what, "purge", folders=[day(9), day(1), "uploads"])
    assert out.returncode == 0, out.stderr
    assert ": cannot be removed" not in out.stderr
    assert run("purge").returncode == 0
    assert images() == []
    assert there(day(9), day(1)) == [False, True]


def test_a_folder_into_which_something_came_meanwhile_stays(store):
    store(keep_days=1)
    image(day(9), 1)
    out = injected("unlinkat:error=ENOTEMPTY:when=2", "purge")
    assert (out.returncode, out.stderr) == (0, "")
    assert run("purge").returncode == 0
    assert not there(day(9))[0]


def test_a_disk_that_cannot_be_read_is_said(store):
    store(keep_days=1)
    image(day(9), 1)
    out = injected("getdents64:error=EIO:when=1", "purge")
    assert out.returncode == 74
    assert "Input/output error" in out.stderr


@pytest.mark.parametrize("when", [1, 2, 3, 4, 5, 6])
def test_killed_at_any_removal_it_leaves_what_the_next_one_finds(store, when):
    store(keep_days=1)
    for n in range(3):
        image(day(9), n)
        image(day(8), n)
    run("purge", below=("strace", "-f", "-o", os.devnull, "-e",
                        "trace=unlinkat", "-e",
                        "inject=unlinkat:signal=KILL:when=%d" % when))
    assert there(day(8))[0] or there(day(9))[0]
    assert run("purge").returncode == 0
    assert images() == [] and not there(day(8))[0] and not there(day(9))[0]


# Beside responders

class Clock:
    """A clock that can be moved while programs look at it. The times of files
    stay real: they lie in its future, and so are young."""

    def __init__(self):
        self.path = "/run/clock"
        self.variables = {
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.path,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1", **TRACED}

    def move(self, seconds):
        """To so many seconds after the last midnight in UTC."""
        self.back = int(time.time() % DAY) - seconds
        with open(self.path + ".new", "w") as f:
            f.write("%+d\n" % -self.back)
        os.rename(self.path + ".new", self.path)

    def now(self):
        return time.time() - self.back


class Purges(threading.Thread):
    """Purge over and over, until told to stop; each removal is held up a
    little, so that what may come between its last look and it does come."""

    def __init__(self, variables):
        super().__init__()
        self.variables = variables
        self.over = threading.Event()
        self.codes = []
        self.said = ""

    def run(self):
        while not self.over.is_set():
            out = run("purge", **self.variables, below=(
                "strace", "-f", "-o", os.devnull, "-e", "trace=unlinkat", "-e",
                "inject=unlinkat:delay_enter=5000"))
            self.codes.append(out.returncode)
            self.said += out.stderr

    def stop(self):
        self.over.set()
        self.join()


def age(hours, now):
    """Make all images so old, but those that are removed meanwhile."""
    for path in images():
        try:
            os.utime(os.path.join(STORE, path), (now - hours * 3600,) * 2)
        except FileNotFoundError:
            pass


@pytest.mark.skipif(not os.path.exists(FAKETIME), reason="needs faketime")
def test_around_midnight_each_link_answered_opens_but_what_settings_name(
        service, post, get, store, grafana):
    clients, panels = 16, 8
    clock = Clock()
    clock.move(-1800)
    service.start(
        below=("/usr/bin/env", *map("=".join, clock.variables.items())),
        keep_days=1, keep_bytes=1, sandbox="off")
    for back in (1, 2, 3):  # today and before, as the moved clock sees it
        image(day(back), 1, hours=99)
    barrier = threading.Barrier(clients)
    links, bad = set(), []

    def client(number, midnight):
        for n in range(4):
            panel = "/d/web/web?viewPanel=%d&from=1000&to=9999999" % (
                (number + n) % panels + 1)
            if number % 4 == 3:
                panel += "&var-unique=1"
            if midnight and (number, n) == (0, 2):
                clock.move(+60)
            answer = post(panel)
            if answer.status != 200:
                bad.append(answer.text)
                barrier.abort()
            link = answer.json["pubImg"]
            links.add(link)
            if get(link).status != 200:
                bad.append("at once: " + link)
            barrier.wait(60)

    purges = [Purges(clock.variables) for _ in range(2)]
    for purge in purges:
        purge.start()
    try:
        days = []
        for turn in range(6):
            age(3, clock.now())
            links.clear()
            threads = [
                threading.Thread(target=client, args=(n, turn == 3))
                for n in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            bad += [link for link in links if get(link).status != 200]
            days.append({link.split("/")[-2] for link in links})
            assert bad == []
    finally:
        for purge in purges:
            purge.stop()
    assert run("purge", **clock.variables).returncode == 0
    before, after = {day(1)}, {day(0)}
    assert days == [before] * 3 + [before | after] + [after] * 2
    assert there(day(3), day(2), day(1)) == [False, False, True]
    for purge in purges:
        assert set(purge.codes) <= {0, 75}
        assert 0 in purge.codes
        assert ": cannot be removed" not in purge.said


def is_locked(path):
    """As the kernel knows: to ask by a lock of one's own is to answer with it."""
    inode = ":%d 0 EOF\n" % os.stat(path).st_ino
    with open("/proc/locks") as f:
        return any(" FLOCK " in line and line.endswith(inode) for line in f)


def test_an_image_asked_for_while_it_is_being_removed_is_saved_again(
        service, post, get, store):
    service.start(keep_bytes=1)
    panel = "/d/web/web?viewPanel=1&from=1000&to=9999999"
    link = post(panel).json["pubImg"]
    path = os.path.join(STORE, *link.split("/")[-2:])
    age(3, time.time())
    purge = subprocess.Popen(
        ["strace", "-f", "-o", os.devnull, "-e", "trace=unlinkat", "-e",
         "inject=unlinkat:delay_enter=400000", PROGRAM, "purge"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, **TRACED})
    until(lambda: is_locked(path), "purge has looked at it")
    assert post(panel).json["pubImg"] == link
    assert purge.communicate()[0].startswith("removed 1 images")
    assert get(link).status == 200


def test_while_a_purge_is_stopped_at_an_image_no_link_to_it_is_answered(
        service, post, store):
    service.start(keep_bytes=1)
    panel = "/d/web/web?viewPanel=1&from=1000&to=9999999"
    link = post(panel).json["pubImg"]
    with open(os.path.join(STORE, *link.split("/")[-2:])) as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        answer = post(panel)
        assert (answer.status, answer.json["outcome"]) == (500, "store-failed")
    assert post(panel).status == 200


# remove

@pytest.fixture
def saved(running, post):
    """An image that was saved: its address."""
    return post().json["pubImg"]


def test_an_image_is_taken_back_by_its_address(saved, get):
    assert get(saved).status == 200
    out = run("remove", saved)
    assert (out.returncode, out.stderr) == (0, "")
    removed, caches = out.stdout.splitlines()
    assert removed == "removed " + "/".join(saved.split("/")[-2:])
    assert "max-age=86400" in caches
    assert get(saved).status == 404
    out = run("remove", saved)
    assert (out.returncode, out.stdout) == (66, "")
    assert "there is no such image" in out.stderr


@pytest.mark.parametrize("form", [
    "{url}", "{url}?width=5", "{url}#x", "{day}/{sha}.png",
    STORE + "/{day}/{sha}.png", "{sha}.png", "{sha}"])
def test_every_form_of_name_is_taken(saved, form):
    names = dict(url=saved, day=saved.split("/")[-2],
                 sha=saved.split("/")[-1][:-4])
    assert run("remove", form.format(**names)).returncode == 0
    assert not there("{day}/{sha}.png".format(**names))[0]


def test_a_digest_is_looked_for_in_all_days(store):
    store()
    paths = [image(day(n), 7) for n in (0, 3, 500)]
    other = image(day(3), 8)
    out = run("remove", os.path.basename(paths[0])[:-4])
    assert out.returncode == 0
    assert out.stdout.count("removed ") == 3
    assert not any(map(os.path.exists, paths)) and os.path.exists(other)


def test_uploads_and_the_older_program_s_images_are_taken_back(store):
    store()
    put("uploads/panel_1-2.png")
    put("0123456789abcdef0123456789abcdef.png")
    out = run("remove", "uploads/panel_1-2.png",
              "0123456789abcdef0123456789abcdef.png")
    assert out.returncode == 0 and images() == []
    put("uploads/panel_1-2.png")
    assert run("remove", "panel_1-2.png").returncode == 0
    assert images() == []


@pytest.mark.parametrize("argument", [
    "", "/", ".", "..", "x", "../../etc/passwd", "uploads/../.state/key",
    ".state/key", ".partial/x", "/etc/passwd", "uploads/", "uploads/a.jpg",
    "2026-02-30/" + "0" * 64 + ".png", "2026-02-03/" + "A" * 64 + ".png",
    "2026-02-03//" + "0" * 64 + ".png", "2026-02-03", "x" * 5000,
    "https://elsewhere.example/saved-images/2026-02-03/%s.png" % ("0" * 64),
    "http://127.0.0.1:1/saved-images/2026-02-03/%s.png" % ("0" * 64),
    "bad\x1bname\n"], ids=lambda a: repr(a[:20]))
def test_what_is_no_image_s_name_is_malformed_and_nothing_happens(
        store, argument):
    store()
    put("uploads/a.png")
    put(".state/key")
    out = run("remove", argument)
    assert (out.returncode, out.stdout) == (65, "")
    assert out.stderr.count("\n") == 1 and "\x1b" not in out.stderr
    assert there("uploads/a.png", ".state/key") == [True, True]


def test_links_and_folders_with_an_image_s_name_are_not_removed(
        store, tmp_path):
    store()
    (tmp_path / ("0" * 64 + ".png")).write_text("x")
    os.symlink(tmp_path, os.path.join(STORE, "2026-02-03"))
    os.mkdir(os.path.join(STORE, "2026-02-04"))
    os.symlink("/etc/passwd", os.path.join(STORE, "2026-02-04", "0" * 64 + ".png"))
    os.mkdir(os.path.join(STORE, "2026-02-04", "1" * 64 + ".png"))
    for name in ("2026-02-03/" + "0" * 64, "2026-02-04/" + "0" * 64,
                 "2026-02-04/" + "1" * 64):
        out = run("remove", name + ".png")
        assert out.returncode == 74, out.stderr
    assert (tmp_path / ("0" * 64 + ".png")).exists()
    assert len(os.listdir(os.path.join(STORE, "2026-02-04"))) == 2


def test_all_that_can_be_removed_is_whatever_the_others_are(store):
    store()
    names = [os.path.relpath(image(day(0), n), STORE) for n in range(2)]
    missing = day(0) + "/" + "0" * 64 + ".png"
    out = run("remove", names[0], "x", missing, names[1])
    assert out.returncode == 65
    assert out.stdout.count("removed ") == 2
    assert out.stderr.count("\n") == 2
    assert images() == []
    assert run("remove", missing).returncode == 66


def test_a_removal_is_synced_before_it_is_said(store, tmp_path):
    store()
    name = os.path.relpath(image(day(0), 1), STORE)
    out = run("remove", name, below=(
        "strace", "-f", "-o", str(tmp_path / "trace"), "-e",
        "trace=unlinkat,fsync,write"))
    assert out.returncode == 0
    trace = (tmp_path / "trace").read_text()
    assert (trace.index("unlinkat(") < trace.index("fsync(") <
            trace.index('write(1, "removed '))


def test_what_nfs_says_is_gone_was_removed(store):
    store()
    name = os.path.relpath(image(day(0), 1), STORE)
    out = injected("unlinkat:error=ENOENT:when=1", "remove", name)
    assert out.returncode == 0
    out = injected("unlinkat:error=ESTALE:when=1", "remove", name)
    assert out.returncode == 0
    assert images() == []
    name = os.path.relpath(image(day(0), 1), STORE)
    out = injected("unlinkat:error=EIO", "remove", name)
    assert out.returncode == 74
