"""The image, run as a cluster runs it: what it serves, and how it ends."""

import concurrent.futures
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

import pytest

import standin
from container import STORE, URL, USER, Container
from service import until

TOKEN = "glsa_secretsecretsecretsecretsecret01_0badcafe"
PANEL = "/d/cpu-load/cpu-load?orgId=1&from=now-6h&to=now&viewPanel=5"
POSTS = 1000
CLIENTS = 16
ENDS = (100, 400, 700, POSTS)  # after so many answers


@pytest.fixture(scope="module")
def grafana(own_network):
    with standin.Standin(token=TOKEN) as s:
        yield s


@pytest.fixture(autouse=True)
def fresh_grafana(grafana):
    grafana.reset()


@pytest.fixture
def folder():
    """For files to mount: every user may enter it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.fixture
def volume():
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, USER, USER)
        yield folder


@pytest.fixture
def small_volume(volume):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,uid=%d" % USER,
                    "small", volume], check=True)
    yield volume
    subprocess.run(["umount", "--lazy", volume], check=True)


@pytest.fixture
def contain(image, grafana, volume):
    """contain(SETTING=value): a container, not started yet."""
    def contain(*arguments, image=image, **more):
        settings = {"GRAFANA_IMAGES_GRAFANA": grafana.url,
                    "GRAFANA_IMAGES_PUBLIC_URL": URL + "/saved-images",
                    "GRAFANA_IMAGES_MIN_FREE_BYTES": "0",
                    "GRAFANA_IMAGES_REUSE_SECONDS": "0"}
        more = {**settings, **more}
        return Container(image, more.pop("volume", volume), *arguments,
                         **{k: v for k, v in more.items() if v is not None})
    return contain


@pytest.fixture
def running(contain):
    with contain() as container:
        yield container.ready()


@pytest.fixture
def post(grafana):
    def post(container, extra="", source="127.0.0.1"):
        return container.ask(
            "/grafana-images", "POST",
            {"Authorization": "Bearer " + TOKEN, "Accept": "application/json"},
            json.dumps({"imageUrl": grafana.url + PANEL + extra}), source)
    return post


@contextlib.contextmanager
def in_background(ask):
    """A future of the answer; the block runs meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(ask)


def opens(container, address):
    """It does, and is what its name says."""
    answer = container.ask(address)
    digest = hashlib.sha256(answer.body).hexdigest()
    return answer.status == 200 and digest in address


def kernel_has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


# What it serves


@pytest.mark.parametrize("made_by", ["image", "image_of_dockerfile"])
def test_a_panel_is_saved_and_opened(request, contain, post, made_by):
    with contain(image=request.getfixturevalue(made_by)) as container:
        container.ready()
        answer = post(container)
        assert answer.status == 200, answer.text
        assert opens(container, answer.json["pubImg"])
        health = container.ask("/grafana-images/health")
        assert health.status == 200
        assert health.json["sandbox"] == (
            "landlock+seccomp" if kernel_has_landlock() else "seccomp")
        assert container.stop() == 0


def test_nothing_in_it_has_a_privilege(running):
    processes = running.processes()
    assert {"s6-svscan", "nginx", "grafana-images"} <= set(processes.values())
    for pid in processes:
        assert running.status(pid, "Uid").split() == [str(USER)] * 4
        assert running.status(pid, "NoNewPrivs") == "1"
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(running.status(pid, capabilities), 16) == 0
    with open("/proc/%d/mountinfo" % running.pid) as f:
        root, = (line for line in f if line.split()[4] == "/")
    assert "ro" in root.split()[5].split(",")


def test_it_may_be_any_user(contain, post, volume):
    os.chown(volume, 1234567, 1234567)
    with contain(user=1234567) as container:
        container.ready()
        assert post(container).status == 200
        assert container.stop() == 0


def test_settings_may_be_a_mounted_file(contain, post, grafana, folder):
    settings = folder / "settings"
    settings.write_text("grafana = %s\npublic_url = %s/saved-images\n"
                        "keep_days = 7\n" % (grafana.url, URL))
    with contain(GRAFANA_IMAGES_GRAFANA=None, GRAFANA_IMAGES_PUBLIC_URL=None,
                 mounts=[(settings, "/etc/grafana-images.conf")]) as container:
        container.ready()
        assert post(container).status == 200
        assert 'keep_days="7"' in container.log


def test_who_may_ask_and_watch_is_in_the_environment(contain, post):
    with contain(GRAFANA_IMAGES_ALLOW="127.0.0.2/32 2001:db8::/32",
                 GRAFANA_IMAGES_MONITORS="127.0.0.3") as container:
        container.ready()
        health = "/grafana-images/health"
        assert post(container, source="127.0.0.2").status == 200
        assert post(container, source="127.0.0.3").status == 403
        assert container.ask(health, source="127.0.0.2").status == 403
        assert container.ask(health, source="127.0.0.3").status == 200
        for pid in container.processes():
            with open("/proc/%d/environ" % pid, "rb") as f:
                passed = f.read()
            assert b"GRAFANA_IMAGES_ALLOW" not in passed
            assert b"GRAFANA_IMAGES_MONITORS" not in passed
        assert "warning" not in container.log


def test_who_may_ask_and_watch_may_be_mounted_files(contain, post, folder):
    allow, monitors = folder / "allow", folder / "monitors"
    allow.write_text("allow 127.0.0.2;\n")
    monitors.write_text("allow 127.0.0.3;\n")
    with contain(mounts=[(allow, "/etc/nginx/grafana-images.allow"),
                         (monitors, "/etc/nginx/grafana-images.monitors")]
                 ) as container:
        container.ready()
        assert post(container, source="127.0.0.2").status == 200
        assert post(container, source="127.0.0.4").status == 403
        assert container.ask("/grafana-images/health",
                             source="127.0.0.3").status == 200


def test_of_a_mounted_list_and_one_in_the_environment_neither_is_ignored(
        contain, folder):
    allow = folder / "allow"
    allow.write_text("allow 127.0.0.2;\n")
    with contain(GRAFANA_IMAGES_ALLOW="127.0.0.3",
                 mounts=[(allow, "/etc/nginx/grafana-images.allow")]) as container:
        assert container.ended() == 78
        assert "only one can hold" in container.log


def test_what_nginx_and_the_program_say_is_on_standard_error(running, post):
    assert post(running).status == 200
    assert post(running, source="127.0.0.2").status == 403
    assert "outcome=saved" in running.log
    assert "access forbidden by rule, client: 127.0.0.2" in running.log


def test_with_arguments_it_is_the_program(contain, image):
    with contain("--version") as container:
        assert container.ended() == 0
        assert container.log == "grafana-images %s\n" % image.tag


# How it ends


def test_told_to_stop_it_finishes_what_it_has_and_ends_with_0(
        running, post, grafana):
    with in_background(lambda: post(running, "&var-manner=hold")) as answer:
        grafana.wait(held=1)
        running.tell_to_stop()
        until(lambda: not running.listens(), "nginx takes nothing more")
        grafana.release()
        assert answer.result().status == 200
    assert running.ended() == 0
    assert "outcome=saved" in running.log


def test_a_thousand_posts_outlive_its_restarts(contain, post):
    """No request that was taken is lost, and no image of an answer."""
    addresses, other, logs = [], [], []
    enough = threading.Event()

    def ask(number):
        while not enough.is_set():
            try:
                answer = post(contain(), "&width=%d" % (500 + number))
            except ConnectionError:
                continue  # nginx does not listen, or ends before it takes this
            if answer.status == 200:
                addresses.append(answer.json["pubImg"])
            else:
                other.append(answer.text)
            return

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        try:
            for number in range(POSTS):
                pool.submit(ask, number)
            for count in ENDS:
                with contain() as container:
                    until(lambda: len(addresses) + len(other) >= count,
                          "it serves")
                    if count == POSTS:
                        assert all(opens(container, a) for a in addresses)
                    assert container.stop() == 0
                    logs.append(container.log)
        finally:
            enough.set()
    assert other == []
    assert len(set(addresses)) == POSTS
    # each that reached the program was answered, and its answer arrived
    assert "".join(logs).count(" outcome=saved ") == POSTS


def test_a_responder_that_is_killed_is_started_again(running, post, grafana):
    first = post(running)
    assert first.status == 200, first.text
    address = first.json["pubImg"]
    with in_background(lambda: post(running, "&var-manner=hold")) as answer:
        grafana.wait(held=1)
        killed = running.all("grafana-images")[0]
        os.kill(killed, signal.SIGKILL)
        lost = answer.result()
        assert (lost.status, lost.json["outcome"]) == (502, "down")
        # nobody else's: it waits until the next one is there
        assert opens(running, address)
        assert post(running, "&width=501").status == 200
    assert running.all("grafana-images")[0] != killed
    assert running.stop() == 0


def test_when_nginx_is_killed_what_it_has_is_finished(running, post, grafana):
    with in_background(lambda: post(running, "&var-manner=hold")) as answer:
        grafana.wait(held=1)
        before = running.all("nginx")
        os.kill(before[0], signal.SIGKILL)
        grafana.release()
        assert answer.result().status == 200
    until(lambda: not set(before) & set(running.all("nginx")), "all of it ends")
    running.ready()
    assert post(running, "&width=501").status == 200
    assert running.stop() == 0


def test_on_a_full_volume_it_says_so_and_serves_what_is_there(
        contain, post, small_volume):
    with contain(volume=small_volume) as container:
        container.ready()
        addresses = []
        for n in range(100):
            answer = post(container, "&width=%d" % (500 + n))
            if answer.status != 200:
                break
            addresses.append(answer.json["pubImg"])
        assert answer.status == 507 and answer.json["outcome"] == "store-full", \
            answer.text + container.log
        assert addresses and all(opens(container, a) for a in addresses)
        os.unlink(small_volume + addresses[0].removeprefix(URL + "/saved-images"))
        assert post(container).status == 200
        assert container.stop() == 0


WRONG = {
    "a value": (dict(GRAFANA_IMAGES_WORKERS="0"),
                "workers = 0: a whole number from 1 to 4096 is allowed"),
    "what is missing": (dict(GRAFANA_IMAGES_GRAFANA=None), "grafana"),
    "a word": (dict(GRAFANA_IMAGES_ALLOW="10.0.0.1; 10.0.0.2"),
               'GRAFANA_IMAGES_ALLOW: "10.0.0.1;" is no address'),
    "an address": (dict(GRAFANA_IMAGES_MONITORS="10.0.0.300"),
                   "nginx does not take its configuration"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_set_wrongly_ends_it_with_78_and_a_sentence(contain, wrong):
    settings, sentence = WRONG[wrong]
    with contain(**settings) as container:
        assert container.ended() == 78
        said = [line for line in container.log.splitlines() if sentence in line]
        assert len(said) == 1, container.log


def test_a_line_of_the_file_that_is_wrong_ends_it_with_78(contain, folder):
    settings = folder / "settings"
    settings.write_text("\nkeep_dyas = 7\n")
    with contain(mounts=[(settings, "/etc/grafana-images.conf")]) as container:
        assert container.ended() == 78
        assert "/etc/grafana-images.conf" in container.log
        assert "keep_dyas" in container.log
