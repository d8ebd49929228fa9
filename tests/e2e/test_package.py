"""At home on Debian: the units of systemd, and the package."""

import concurrent.futures
import filecmp
import glob
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading

import pytest

import service as service_module
import tree as tree_module
import units
import webservers
from conftest import PANEL
from service import SOCKET, STORE, images, sanitized, until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
MOST_EXPOSED = 1.2
SWAPS = 50
TIMERS = "var/lib/systemd/timers"  # when those have run
CLIENTS = 8
SLOW_START = 4  # seconds
RESTARTS = 2 if sanitized() else 6

by_name = pytest.mark.parametrize("unit", units.SERVICES, ids=os.path.basename)
needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="systemd-analyze is not installed")
needs_users = pytest.mark.skipif(not webservers.has_www_data(),
                                 reason="no user www-data in this namespace")
once = pytest.mark.skipif(sanitized(), reason="the package has no sanitizers")


def output(*command, **more):
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, **more)
    assert out.returncode == 0, out.stdout
    return out.stdout


# The units


@once
@needs_analyze
@by_name
def test_what_a_service_may_do_scores_well(unit):
    out = output("systemd-analyze", "security", "--offline=true", unit)
    assert float(re.search(r"exposure level .*: ([\d.]+)", out)[1]) <= MOST_EXPOSED


@once
@needs_analyze
def test_systemd_has_nothing_to_say_about_the_units(tmp_path):
    copies = [tmp_path / os.path.basename(f) for f in units.FILES]
    for name, copy in zip(units.FILES, copies):
        with open(name) as f:
            copy.write_text(f.read().replace(units.PROGRAM, service_module.PROGRAM))
    assert output("systemd-analyze", "verify", "--man=no", *copies) == ""


@once
def test_every_service_is_confined_in_the_same_way():
    def confinement(name):
        with open(name) as f:
            return re.search(r"# ---- What it may do.*?^LimitCORE=0$", f.read(),
                             re.M | re.S)[0]
    assert len({confinement(name) for name in units.SERVICES}) == 1


@once
@pytest.mark.parametrize("name", ["grafana-images.service",
                                  "grafana-images-spawn.service"])
def test_a_service_that_cannot_start_is_given_up_before_callers_have_waited_long(
        name):
    unit, service = units.read(name)["Unit"], units.read(name)["Service"]
    burst = int(unit["StartLimitBurst"][0])
    interval, = map(units.seconds, unit["StartLimitIntervalSec"])
    pause, = map(units.seconds, service["RestartSec"])
    assert burst * (pause + SLOW_START) <= interval
    assert interval < 60 <= webservers_patience()
    assert {"64", "78"} <= set(service["RestartPreventExitStatus"][0].split())
    # the socket starts it for who waits: it must be the service that gives up
    socket = units.read("grafana-images.socket")["Socket"]
    assert burst < int((socket["TriggerLimitBurst"] or ["20"])[0])
    # removed with it: who comes then is refused at once
    assert socket["RemoveOnStop"] == ["yes"]


def webservers_patience():
    """How long nginx waits for an answer, in seconds."""
    with open(os.path.join(ROOT, "deploy/nginx/grafana-images.conf")) as f:
        return int(re.search(r"fastcgi_read_timeout (\d+)s;", f.read())[1])


@once
@pytest.mark.parametrize("unit", [os.path.basename(f) for f in units.SERVICES])
def test_no_unit_takes_a_store_from_its_owner_or_needs_it_to_start(unit):
    """StateDirectory= gives all in it to User=, and fails where it cannot."""
    service = units.read(unit)["Service"]
    assert not service["StateDirectory"]
    assert "-/var/lib/grafana-images" in service["ReadWritePaths"]
    for line in service["ExecStartPre"]:
        assert "tmpfiles" not in line or line.startswith("-")


@once
@needs_analyze
@needs_users
def test_the_program_makes_no_call_that_its_unit_forbids(behind, post):
    allowed = allowed_calls(behind.unit["SystemCallFilter"])
    for needed in ("landlock_restrict_self", "seccomp", "prctl"):
        assert needed in allowed  # for the program's own confinement
    trace = os.path.join(behind.dir, "trace")
    behind.start(below=("strace", "-f", "-qq", "-o", trace, "-e", "signal=none"))
    assert post().status == 200
    behind.stop()
    with open(trace) as f:
        lines = f.read().partition(" execve(\"%s\"" % behind.program)[2]
    made = set(re.findall(r"^\d+ +(\w+)\(", lines, re.M))
    assert {"accept4", "sendto"} < made
    assert made <= allowed


def allowed_calls(filters):
    sets, name = {}, None
    for line in output("systemd-analyze", "syscall-filter", "--no-pager").split("\n"):
        if line.startswith("@"):
            name = line
            sets[name] = set()
        elif name and line.startswith("    ") and "#" not in line:
            sets[name].add(line.strip())

    def expand(word):
        if word not in sets:
            return {word}
        return set().union(*map(expand, sets[word]))

    allowed = expand("@default")
    for line in filters:
        calls = set().union(*map(expand, line.lstrip("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


# The program as the units start it


@pytest.fixture
def prepared(empty_store, service):
    """Settings and a store, and nobody who serves."""
    service.start()
    service.stop()
    return service


@pytest.fixture
def behind(prepared):
    """systemd's part; the program is not started yet."""
    with units.Manager(program=prepared.program) as manager:
        yield manager
        assert "Sanitizer" not in manager.log


@needs_users
@pytest.mark.parametrize("notify", ["path", "abstract"])
def test_it_says_when_it_serves_and_when_it_stops(prepared, post, notify):
    with units.Manager(program=prepared.program, notify=notify) as manager:
        assert stat.S_IMODE(os.stat(SOCKET).st_mode) == 0o660
        manager.start()
        assert post().status == 200
        manager.stop()


@needs_users
@pytest.mark.parametrize("where", ["/nonexistent/notify", "vsock:2:1234",
                                   "/" + "x" * 108])
def test_it_serves_though_nobody_can_be_told(behind, post, where):
    behind.notify = where
    behind.spawn()
    try:
        assert post().status == 200
        until(lambda: "cannot say to NOTIFY_SOCKET that it serves: " in behind.log,
              "it complains")
    finally:
        process, behind.process = behind.process, None
        process.terminate()
        assert process.wait(20) == 0


@needs_users
@pytest.mark.parametrize("settings", ["nonsense\n", "grafana = x\n", ""])
def test_wrong_settings_end_the_unit_with_78(behind, settings):
    with open(service_module.CONF, "w") as f:
        f.write(settings)
    assert behind.run() == 78
    assert behind.log.startswith("grafana-images: ")


@needs_users
def test_a_store_that_cannot_be_written_does_not_end_the_unit(behind, post):
    shutil.rmtree(STORE)
    behind.start()
    failed = post()
    assert (failed.status, failed.json["outcome"]) == (500, "store-failed")
    os.mkdir(STORE, 0o711)
    shutil.chown(STORE, "daemon", "daemon")
    assert post().status == 200
    behind.stop()


@needs_users
def test_restarts_under_load_lose_no_request(behind, post):
    statuses = []
    enough = threading.Event()

    def client():
        while not enough.is_set():
            statuses.append(post().status)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client) for _ in range(CLIENTS)]
        try:
            for _ in range(RESTARTS):
                behind.start()
                so_far = len(statuses)
                until(lambda: len(statuses) >= so_far + 2 * CLIENTS, "it serves")
                behind.stop()
            behind.start()
        finally:
            enough.set()
        for done in clients:
            done.result()
    assert set(statuses) == {200}
    assert len(statuses) > RESTARTS * CLIENTS


# The package


@pytest.fixture(scope="module")
def package():
    """What "make deb" makes; its tests are those that run here anyway."""
    for tool in ("dpkg-buildpackage", "dh"):
        if not shutil.which(tool):
            pytest.skip(tool + " is not installed")
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith("MAKE") and k not in ("MFLAGS", "BUILD")}
    environment["DEB_BUILD_OPTIONS"] = "nocheck"
    output("make", "-C", ROOT, "deb", env=environment)
    return tree_module.package_at(os.path.join(ROOT, "build"))


@once
def test_lintian_finds_no_errors_and_no_warnings(package):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    assert output("lintian", "--allow-root", "--fail-on", "error,warning",
                  package.replace(".deb", ".changes")) == ""


@once
def test_the_package_has_the_version_of_the_program(package):
    version = output(service_module.PROGRAM, "--version").split()[1]
    assert output("dpkg", "--field", package, "Version").strip() == version


def unit_folder():
    """Where this release of Debian has its units."""
    return output("pkg-config", "--variable=systemdsystemunitdir",
                  "systemd").strip().lstrip("/")


@once
def test_what_is_shipped_is_what_is_tested(package, tmp_path):
    output("dpkg", "--extract", package, tmp_path)
    shipped = {
        "grafana-images.conf": "etc",
        "nginx/grafana-images.conf": "etc/nginx/snippets",
        "apache/grafana-images.conf": "etc/apache2/conf-available",
        "systemd/sysusers.d/grafana-images.conf": "usr/lib/sysusers.d",
        "systemd/tmpfiles.d/grafana-images.conf": "usr/lib/tmpfiles.d",
        **{"systemd/" + os.path.basename(f): unit_folder()
           for f in units.FILES}}
    for name, where in shipped.items():
        ours = os.path.join(ROOT, "deploy", name)
        if os.path.exists(ours):
            theirs = tmp_path / where / os.path.basename(name)
            assert filecmp.cmp(ours, theirs, shallow=False), theirs
    assert (tmp_path / "usr/share/man/man8/grafana-images.8.gz").exists()


# Installed on a clean Debian. The tests below are one story, told in order.


@pytest.fixture(scope="module")
def clean(package):
    tree = tree_module.Tree(package)
    os.makedirs(tree.inside(TIMERS))  # systemd's own, once it has run
    tree.before = tree.files()
    tree.install(package)
    yield tree
    tree.close()


@pytest.fixture
def installed(clean, responder, grafana, nginx):
    """Configured as its administrator does it, behind this machine's nginx."""
    responder.stop()
    conf = clean.inside("etc/grafana-images.conf")
    with open(ROOT + "/deploy/grafana-images.conf") as f:
        text = f.read()
    with open(conf, "w") as f:
        f.write(text + "grafana = %s\npublic_url = %s/saved-images\n"
                "min_free_bytes = 0\n" % (grafana.url, nginx.url))
    shutil.rmtree(STORE, ignore_errors=True)
    os.mkdir(STORE)
    output("mount", "--bind", clean.inside(STORE), STORE)
    yield clean
    output("umount", "--lazy", STORE)
    os.rmdir(STORE)


@once
def test_installed_it_runs_nothing_and_waits_for_its_settings(clean):
    for unit in ("grafana-images.socket", "grafana-images-purge.timer"):
        assert clean.run("systemctl", "is-enabled", unit, code=1) == "disabled\n"
    assert "grafana" in clean.run("grafana-images", "check", code=78)
    owner = clean.run("stat", "--format=%a %U %G", STORE)
    assert owner == "711 grafana-images grafana-images\n"
    assert "/usr/sbin/nologin" in clean.run("getent", "passwd", "grafana-images")


@once
def test_systemd_has_nothing_to_say_about_the_installed_units(clean):
    names = [os.path.basename(f) for f in
             glob.glob(clean.inside("lib/systemd/system/grafana-images*"))]
    assert len(names) == len(units.FILES)
    assert clean.run("systemd-analyze", "verify", "--man=no", *names) == ""


@once
@needs_users
@pytest.mark.parametrize("unit", ["grafana-images.service",
                                  "grafana-images-spawn.service"])
def test_started_by_its_unit_it_saves_a_panel(installed, post, get, unit):
    with units.Manager(unit, root=installed.path, notify="abstract") as manager:
        if manager.listener is None:  # the unit makes a link in /run
            if os.path.lexists(SOCKET):
                os.unlink(SOCKET)
            os.symlink(installed.inside("run/grafana-images/socket"), SOCKET)
        manager.start()
        socket = os.stat(SOCKET)
        assert stat.S_IMODE(socket.st_mode) == 0o660
        assert socket.st_gid == 33  # www-data, by Debian's policy
        answer = post(PANEL + "&var-unit=" + unit)
        assert answer.status == 200, answer.text
        assert get(answer.json["pubImg"]).body.startswith(b"\x89PNG")
    os.unlink(SOCKET)


@pytest.fixture
def apaches(installed):
    """The package where Apache starts the program, by the commands in the head of
    purge.conf; systemd's own are played by the tests."""
    name = "usr/share/doc/grafana-images/examples/systemd/www-data/purge.conf"
    commands = re.findall(r"^#     (.*)$", installed.read(name), re.M)
    assert len(commands) == 6
    ours = [c for c in commands if not c.startswith("systemctl ")]
    installed.run("sh", "-ec", "\n".join(ours))
    yield installed
    os.unlink(installed.inside("etc/tmpfiles.d/grafana-images.conf"))
    installed.run("rm", "-r", "/etc/systemd/system/grafana-images-purge.service.d")
    installed.run("chown", "-R", "grafana-images:grafana-images",
                  "/var/lib/grafana-images")


def owners(tree, below):
    return {tree.run("stat", "--format=%U", path).strip()
            for path in tree.run("find", below).split()}


@once
@needs_users
@needs_analyze
def test_a_store_of_www_datas_stays_www_datas(apaches):
    top = os.path.dirname(STORE)
    folder = STORE + "/2020-01-01"  # the package's keep_days is 90
    drop_in = "www-data/purge.conf"
    assert "User=www-data" in apaches.read(
        "etc/systemd/system/grafana-images-purge.service.d/www-data.conf")
    for purge in ("by the timer", "by root"):
        apaches.run("sh", "-ec", "mkdir $0; echo x > $0/%s.png; chown -R www-data $0"
                    % ("a" * 64), folder)
        if purge == "by root":
            assert "removed 1 images" in apaches.run("grafana-images", "purge")
        else:
            with units.Manager("grafana-images-purge.service", root=apaches.path,
                               drop_ins=[drop_in]) as manager:
                assert manager.run() == 0
                assert "removed 1 images" in manager.log
        assert not os.path.exists(apaches.inside(folder))
        # as at a boot
        apaches.run("systemd-tmpfiles", "--create", "--prefix=" + top)
        assert owners(apaches, top) == {"www-data"}
    assert apaches.run("systemd-analyze", "verify", "--man=no",
                       "grafana-images-purge.service") == ""


@once
@needs_users
def test_an_upgrade_keeps_settings_images_and_the_socket(
        installed, package, post, get, tmp_path):
    installed.run("systemctl", "enable", "grafana-images.socket",
                  "grafana-images-purge.timer")
    settings = installed.read("etc/grafana-images.conf")
    with units.Manager(root=installed.path, notify="abstract") as manager:
        manager.start()
        first = post().json["pubImg"]
        installed.install(newer(package, tmp_path))
        assert "+1" in installed.run("dpkg-query", "--show", "grafana-images")
        manager.stop()  # "try-restart"
        manager.start()
        assert post(PANEL + "&var-after=upgrade").status == 200
        assert get(first).status == 200
    assert installed.read("etc/grafana-images.conf") == settings
    for unit in ("grafana-images.socket", "grafana-images-purge.timer"):
        assert installed.run("systemctl", "is-enabled", unit) == "enabled\n"


def newer(package, folder):
    """The same with a higher version."""
    output("dpkg-deb", "--raw-extract", package, folder / "content")
    control = folder / "content/DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+1", control.read_text()))
    out = folder / os.path.basename(package).replace("_", "_next_", 1)
    output("dpkg-deb", "--root-owner-group", "--build", folder / "content", out)
    return str(out)


# What purging removes, while the service's user does its worst


@pytest.fixture
def purging(tmp_path):
    """A root folder with a store of the service's user, and a folder of root's with
    what purging removes in a store; purging() removes it."""
    root = tmp_path / "root"
    top = root / "var/lib/grafana-images"
    (top / "saved-images/.state").mkdir(parents=True)
    (top / "saved-images/.state/key").write_text("x")
    (root / "run/grafana-images").mkdir(parents=True)
    victim = tmp_path / "victim"
    (victim / ".ssh").mkdir(parents=True)
    (victim / ".ssh/key").write_text("x")
    (victim / "empty").mkdir()
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o11)
    output("chown", "-R", "daemon:daemon", top)

    def purge():
        output("sh", os.path.join(ROOT, "debian/postrm"), "purge",
               env={**os.environ, "DPKG_ROOT": str(root)})
    purge.top, purge.victim = top, victim
    return purge


def is_whole(victim):
    return (victim / ".ssh/key").exists() and (victim / "empty").exists()


@once
@needs_users
def test_purging_removes_all_but_images(purging):
    day = purging.top / "saved-images/2026-01-01"
    day.mkdir()
    (day / "image.png").write_text("x")
    (day / ".hidden").write_text("x")
    (purging.top / "saved-images/uploads").mkdir()
    output("chown", "-R", "daemon:daemon", purging.top)
    purging()
    assert [str(p.relative_to(purging.top)) for p in purging.top.rglob("*")] == [
        "saved-images", "saved-images/2026-01-01", "saved-images/2026-01-01/image.png"]
    shutil.rmtree(day)
    purging()
    assert not purging.top.exists()


@once
@needs_users
@pytest.mark.parametrize("where", ["", "saved-images", "saved-images/.state"])
def test_purging_follows_no_link(purging, where):
    path = purging.top / where
    shutil.rmtree(path)
    path.symlink_to(purging.victim)
    os.lchown(path, purging.victim.stat().st_uid if not where else
              purging.top.stat().st_uid, -1)
    purging()
    assert is_whole(purging.victim)


@once
@needs_users
def test_purging_leaves_roots_folders_alone(purging):
    output("chown", "-R", "root:root", purging.top)
    purging()
    assert (purging.top / "saved-images/.state/key").exists()


SWAPPER = """
import ctypes, sys
exchange = ctypes.CDLL(None, use_errno=True).renameat2
a, b = (p.encode() for p in sys.argv[1:])
print("begun", flush=True)
while True:
    exchange(-100, a, -100, b, 2)  # RENAME_EXCHANGE
"""


@once
@needs_users
def test_purging_while_links_come_and_go_removes_nothing_of_others(purging):
    store, link = purging.top / "saved-images", purging.top / "link"
    link.symlink_to(purging.victim)
    (store / "image.png").write_text("x")  # else the folder goes, too
    swapper = subprocess.Popen(
        ["setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups",
         "--pdeathsig", "KILL", sys.executable, "-c", SWAPPER, str(store), str(link)],
        stdout=subprocess.PIPE)
    try:
        assert swapper.stdout.readline() == b"begun\n"
        for _ in range(SWAPS):
            swapper.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, swapper.pid, os.WSTOPPED)
            folder = link if store.is_symlink() else store
            (folder / ".ssh").mkdir(exist_ok=True)
            shutil.chown(folder / ".ssh", "daemon", "daemon")
            swapper.send_signal(signal.SIGCONT)
            purging()
            assert is_whole(purging.victim)
    finally:
        swapper.kill()
        swapper.wait()


@once
@needs_users
def test_purged_it_leaves_nothing_but_the_images(installed, post):
    with units.Manager(root=installed.path, notify="abstract") as manager:
        manager.start()
        assert post(PANEL + "&var-before=purge").status == 200
    saved = images()
    assert saved and os.path.exists(os.path.join(STORE, ".state"))
    stamp = TIMERS + "/stamp-grafana-images-purge.timer"
    open(installed.inside(stamp), "w").close()
    installed.run("apt-get", "purge", "-y", "grafana-images")
    installed.run("apt-get", "autoremove", "--purge", "-y")
    assert images() == saved
    after = installed.files()
    below = os.path.relpath(STORE, "/")
    kept = {os.path.dirname(below), below}
    for name in saved:
        kept |= {os.path.join(below, name),
                 os.path.dirname(os.path.join(below, name))}
    assert set(after) - set(installed.before) == kept
    assert {k: v for k, v in after.items() if k in installed.before} == \
        installed.before
    assert "grafana-images" in installed.run("getent", "passwd", "grafana-images")
