"""What the service says of itself: ?health, warnings, and its line at start."""

import http.server
import json
import os
import shutil
import subprocess
import threading
import time

import pytest

import webservers
from conftest import PANEL, TOKEN
from prom import Metrics
from service import CONF, PAIR, STORE, Reply, until, user_of_its_own
from test_life import in_background

needs_users = pytest.mark.skipif(not user_of_its_own(),
                                 reason="no other user exists here")


@pytest.fixture
def health(nginx):
    def health(target="/grafana-images/health", method="GET"):
        return Reply(*nginx.ask(target, method))
    return health


REFUSED = "cannot be reached: nothing listens at its address " \
          "(connection refused)"


class Grafana(http.server.BaseHTTPRequestHandler):
    """Nothing but Grafana's health, as well as "status" says; None: says nothing
    until "go" is set."""
    protocol_version = "HTTP/1.1"
    status = 200
    body = None
    asked = 0
    go = None

    def do_GET(self):
        cls = type(self)
        assert self.path == "/api/health", self.path
        assert "Authorization" not in self.headers
        cls.asked += 1
        if cls.status is None:
            cls.go.wait()
            self.close_connection = True
            return
        body = cls.body or b'{"database": "%s", "version": "12.3.0"}' % (
            b"ok" if cls.status == 200 else b"failing")
        self.send_response(cls.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def grafanas():
    """grafanas(status): another Grafana, as its handler, with its url."""
    started = []

    def start(status=200):
        handler = type("Handler", (Grafana,), {
            "status": status, "asked": 0, "go": threading.Event()})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append((server, handler))
        handler.url = "http://127.0.0.1:%d" % server.server_port
        return handler
    yield start
    for server, handler in started:
        handler.go.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def nobody():
    """A Grafana where nobody listens."""
    return "http://127.0.0.1:%d" % webservers.free_port()


def test_a_service_that_is_well_says_so(running, health, grafana):
    answer = health()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.json
    version = subprocess.run([running.program, "--version"],
                             capture_output=True, text=True).stdout.split()[-1]
    sandbox = said.pop("sandbox")
    assert isinstance(sandbox, str) and sandbox
    assert said == {"status": "ok", "store": "ok",
                    "grafana": {grafana.url: "ok"}, "version": version}


@pytest.mark.parametrize("target", [
    "/grafana-images/health", "/grafana-images?health",
    "/grafana-images?a=b&health=1"])
def test_every_address_of_it_is_answered_for_get_and_head(
        running, health, target):
    assert health(target).json["status"] == "ok"
    head = health(target, "HEAD")
    assert (head.status, head.body) == (200, b"")


def test_a_grafana_that_is_down_is_told(service, health, nobody):
    service.start(grafana=nobody)
    answer = health()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["status"] == "bad"
    assert answer.json["store"] == "ok"
    assert answer.json["grafana"] == {nobody: REFUSED}


def test_a_grafana_that_is_not_well_is_told(service, health, grafanas):
    other = grafanas(503)
    service.start(grafana=other.url)
    answer = health()
    assert answer.status == 503
    assert answer.json["grafana"] == {other.url: "answers, but not as a healthy Grafana"}


@pytest.mark.parametrize("status, body", [
    (200, b"<!DOCTYPE html><title>Log in</title>"),
    (302, b""), (401, b"<html>no</html>"), (403, b'{"error": "no"}'),
    (200, b"OK"), (200, b'{"status": "ok"}'),
])
def test_what_answers_in_front_of_grafana_is_no_healthy_grafana(
        service, health, grafanas, status, body):
    other = grafanas(status)
    other.body = body or b" "
    service.start(grafana=other.url)
    answer = health()
    assert answer.status == 503
    assert answer.json["grafana"] == {
        other.url: "is not reached: something in front of it answers"}


def test_a_grafana_that_hangs_is_told_within_two_seconds(
        service, health, grafanas):
    other = grafanas(None)
    service.start(grafana=other.url)
    start = time.monotonic()
    answer = health()
    assert 1.9 < time.monotonic() - start < 10  # a machine may be busy
    assert answer.status == 503
    assert answer.json["grafana"] == {other.url: "does not answer in time"}


def test_panels_are_saved_while_grafana_hangs_on_its_health(
        service, health, grafanas, post, grafana):
    other = grafanas(None)
    service.start(grafana="%s, %s" % (other.url, grafana.url), workers=4)
    asking = in_background(health)
    until(lambda: other.asked, "the other one is asked")
    assert post().status == 200
    asking[0].join()
    assert asking[1][0].status == 200


def test_several_grafanas_have_a_member_each_and_one_is_enough(
        service, health, grafanas, nobody, grafana):
    ill = grafanas(500)
    service.start(grafana="%s, %s, %s" % (nobody, grafana.url, ill.url))
    answer = health()
    assert answer.status == 200
    assert answer.json["status"] == "ok"
    assert answer.json["grafana"] == {
        nobody: REFUSED, grafana.url: "ok",
        ill.url: "answers, but not as a healthy Grafana"}


def test_grafanas_that_hang_leave_the_others_their_time(
        service, health, grafanas, grafana):
    hang = [grafanas(None) for _ in range(3)]
    service.start(grafana=", ".join([h.url for h in hang] + [grafana.url]))
    start = time.monotonic()
    answer = health()
    assert time.monotonic() - start < 5  # not two seconds each
    assert answer.status == 200
    assert answer.json["grafana"] == {
        **{h.url: "does not answer in time" for h in hang}, grafana.url: "ok"}


def test_a_grafana_is_named_by_its_public_address(service, health, grafanas):
    other = grafanas()
    service.start(grafana="http://grafana.example.com/sub via " + other.url)
    # "via" has a path of its own: none
    assert health().json["grafana"] == {"http://grafana.example.com/sub": "ok"}


def test_grafana_is_asked_at_most_every_five_seconds(
        service, health, grafanas):
    other = grafanas()
    service.start(grafana=other.url)
    start = time.monotonic()
    threads = [in_background(health) for _ in range(40)]
    for thread, box in threads:
        thread.join()
        assert box[0].status == 200
    if time.monotonic() - start < 5:
        assert other.asked == 1
    until(lambda: health().status and other.asked > 1, "it is asked again")
    assert time.monotonic() - start >= 5


def test_a_grafana_that_comes_back_is_seen(service, health, grafanas):
    other = grafanas(503)
    service.start(grafana=other.url)
    assert health().status == 503
    other.status = 200
    until(lambda: health().status == 200, "it is well again")


# ---- The store


@pytest.fixture
def whole(empty_store, service):
    """A store of this test's own."""
    return service


@needs_users
def test_a_store_that_cannot_be_written_is_told(whole, health, post, read):
    whole.start()
    assert health().status == 200
    shutil.chown(STORE, "root", "root")
    answer = health()
    assert answer.status == 503
    assert answer.json["status"] == "bad"
    assert answer.json["store"] == "cannot be written"
    assert list(answer.json["grafana"].values()) == ["ok"]
    failed = post("/d/unwritable?viewPanel=1")
    assert (failed.status, failed.json["outcome"]) == (500, "store-failed")
    assert read()["requests_total", "store-failed"] == 1
    shutil.chown(STORE, "daemon", "daemon")
    assert health().status == 200


def test_a_store_that_was_removed_is_told(whole, health, post):
    whole.start()
    shutil.rmtree(STORE)
    assert health().json["store"] == "cannot be written"
    assert health().status == 503
    assert post().json["outcome"] == "store-failed"


@pytest.fixture
def read(nginx):
    return lambda: Metrics(Reply(*nginx.ask("/grafana-images/metrics")).text)


def left():
    fs = os.statvfs(STORE)
    return fs.f_bavail * fs.f_frsize


def test_a_store_that_is_full_is_told(whole, health, post, read):
    whole.start(min_free_bytes=100 << 20)
    assert health().status == 200
    path = os.path.join(STORE, "something-large")
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, left() - (50 << 20))
    answer = health()
    assert answer.status == 503
    assert answer.json["store"] == "full"
    refused = post()
    assert (refused.status, refused.json["outcome"]) == (507, "store-full")
    metrics = read()
    assert metrics["requests_total", "store-full"] == 1
    assert metrics["store_free_bytes"] < metrics["store_min_free_bytes"]
    os.unlink(path)
    assert health().status == 200
    assert post().status == 200


def warnings(service):
    return [line for line in service.text().splitlines()
            if " warning=" in line]


def test_little_room_is_warned_of_once_before_it_is_too_late(
        whole, post, read, health):
    whole.start(min_free_bytes=500 << 20)
    path = os.path.join(STORE, "something-large")
    assert post("/d/room?viewPanel=1").status == 200
    assert warnings(whole) == []
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, left() - (700 << 20))
    for n in range(2, 6):
        assert post("/d/room?viewPanel=%d" % n).status == 200
    whole.record(5)
    [warning] = warnings(whole)
    pairs = dict(PAIR.findall(warning))
    assert list(pairs) == ["ts", "warning", "pid"]
    assert "less than twice min_free_bytes" in pairs["warning"]
    assert health().status == 200
    metrics = read()
    assert metrics["store_free_bytes"] < 2 * metrics["store_min_free_bytes"]


def test_without_min_free_bytes_nothing_is_warned_of(whole, post):
    whole.start(min_free_bytes=0)
    assert post().status == 200
    whole.record()
    assert warnings(whole) == []


# ---- The line at start


def start_line(service):
    """It comes when all is set up, before the first answer."""
    def lines():
        return [line for line in service.text().splitlines(True)
                if " start=" in line and line.endswith("\n")]
    [line] = until(lines, "it has started")
    return line.rstrip("\n")


def effective(service):
    """What "check" says that the settings are."""
    out = subprocess.run([service.program, "check"], capture_output=True,
                         text=True)
    return dict(line.split(" = ", 1) for line in out.stdout.splitlines()
                if " = " in line)


def test_at_start_one_line_has_all_effective_settings(service):
    service.stop()
    service.begin()
    service.start(keep_days=90, uploads="on",
                  wrong_pictures="%s=upstream" % ("ab" * 32))
    pairs = {k: v.strip('"') for k, v in PAIR.findall(start_line(service))}
    assert start_line(service).startswith("ts=")
    assert pairs["pid"] == str(service.pid)
    assert pairs["keep_days"] == "90"
    assert pairs["min_free_bytes"] == "0"
    settings = effective(service)
    assert settings["wrong_pictures"] == "%s=upstream" % ("ab" * 32)
    assert settings["state"] == STORE + "/.state"
    assert settings.items() <= pairs.items()
    assert set(pairs) - set(settings) == {"ts", "start", "pid", "in_force"}


def test_a_setting_cannot_end_its_value_or_the_line(service):
    service.stop()
    service.begin()
    service.start(state='/run/a" pid="1\\')
    line = start_line(service)
    pairs = PAIR.findall(line)
    assert [v for k, v in pairs if k == "pid"] == [str(service.pid)]
    assert dict(pairs)["state"] == '"/run/a\\" pid=\\"1\\\\"'
    assert " ".join("%s=%s" % pair for pair in pairs) == line


SECRETS = {"the access key": "AKIASECRETSECRETSECR",
           "the secret key": "wJalrXUtnFEMIsecretsecretsecretsecretKEY",
           "the session token": "IQoJsessionsecretsecret",
           "the secret key's file": "file-secret-file-secret"}


def test_no_secret_is_ever_in_the_log(service, post, health, tmp_path):
    service.stop()
    service.begin()
    os.chmod(tmp_path, 0o755)
    secret_file = tmp_path / "secret"
    secret_file.write_text(SECRETS["the secret key's file"])
    service.start(
        environment={"AWS_ACCESS_KEY_ID": SECRETS["the access key"] + "2",
                     "AWS_SECRET_ACCESS_KEY": SECRETS["the secret key"],
                     "AWS_SESSION_TOKEN": SECRETS["the session token"]},
        s3_access_key_id=SECRETS["the access key"],
        s3_secret_access_key_file=secret_file)
    assert 's3_access_key_id="********"' in start_line(service)
    assert post().status == 200
    assert post(token="glsa_alsosecret").status == 401
    assert post(PANEL + "&auth_token=alsosecret").status == 200
    assert post(body='{"alsosecret": 1}').status == 400
    health()
    service.record(4)
    service.stop()
    text = service.text()
    with open(os.path.join(STORE, ".state", "key"), "rb") as f:
        key = f.read()
    assert key.hex() not in text
    assert key not in text.encode()
    for secret in [TOKEN, "alsosecret", *SECRETS.values()]:
        assert secret not in text, secret


def test_check_masks_the_access_key_too(service):
    service.stop()
    service.configure(s3_access_key_id=SECRETS["the access key"])
    out = subprocess.run([service.program, "check"], capture_output=True,
                         text=True)
    assert "s3_access_key_id = ********" in out.stdout
    assert SECRETS["the access key"] not in out.stdout + out.stderr
    os.unlink(CONF)
