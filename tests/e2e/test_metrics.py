"""What the service tells of itself in numbers, and that the numbers add up."""

import collections
import concurrent.futures
import itertools
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import webservers
from conftest import TOKEN
from prom import TYPES, Metrics
from service import (PROGRAM, SOCKET, STORE, Reply, is_ready, sanitized, until,
                     user_of_its_own)
from test_life import in_background
from test_webservers import new_store, no_store

REFUSED = "glsa_wrong"
MANY = 100 if sanitized() else 400


@pytest.fixture
def read(nginx):
    def read(server=nginx):
        answer = Reply(*server.ask("/grafana-images/metrics"))
        assert answer.status == 200, answer.text
        return Metrics(answer.text)
    return read


@pytest.fixture
def fresh(empty_store, service):
    """Nothing counted before."""
    return service


def test_every_metric_is_there_with_its_type(running, read):
    metrics = read()
    assert metrics.types == TYPES
    assert metrics["build_info", subprocess.run(
        [PROGRAM, "--version"], capture_output=True,
        text=True).stdout.split()[-1]] == 1


def test_the_manual_names_every_metric():
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "cgi",
                           "grafana-images.8")) as f:
        words = f.read().split()
    for name in TYPES:
        assert name.removeprefix("grafana_images_") in words


def test_promtool_has_nothing_to_say(running, post, read):
    post()
    out = subprocess.run(["promtool", "check", "metrics"], input=read().text,
                         capture_output=True, text=True)
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "")


ADDRESSES = {"by path": {"PATH_INFO": "/metrics"},
             "by query": {"QUERY_STRING": "metrics"},
             "by both": {"PATH_INFO": "/metrics", "QUERY_STRING": "a=b&metrics"}}


@pytest.mark.parametrize("address", ADDRESSES)
def test_both_addresses_are_prometheus_text_for_get_and_head(
        running, fastcgi, address):
    for method in ("GET", "HEAD"):
        answer = fastcgi(b"", REQUEST_METHOD=method, **ADDRESSES[address])
        assert answer.status == 200
        assert answer.headers["Content-Type"] == (
            "text/plain; version=0.0.4; charset=utf-8")
        assert answer.headers["Cache-Control"] == "no-store"


def test_head_is_answered_like_get_without_the_text(running, nginx):
    for target in ("/grafana-images/metrics", "/grafana-images?metrics",
                   "/grafana-images/health", "/grafana-images?health"):
        get, head = (nginx.ask(target, method) for method in ("GET", "HEAD"))
        assert get.status == head.status == 200
        assert get.headers["Content-Type"] == head.headers["Content-Type"]
        assert get.body and not head.body


def test_being_asked_how_it_is_counts_as_no_request(fresh, nginx, read):
    fresh.start()
    for target in ("health", "metrics"):
        for method in ("GET", "HEAD"):
            nginx.ask("/grafana-images/" + target, method)
    assert read().outcomes() == {}
    assert read()["request_seconds_count"] == 0


def test_what_is_in_flight_is_told_and_then_gone(fresh, post, grafana, read):
    fresh.start(max_renders=2)
    threads = [in_background(lambda n=n: post(
        "/d/flight?viewPanel=%d" % n, manner="hold")) for n in range(5)]
    grafana.wait(held=2)
    until(lambda: read()["requests_in_flight"] == 5, "all five are in")
    assert read()["renders_in_flight"] == 2
    while any(thread.is_alive() for thread, _ in threads):
        grafana.release()
    metrics = read()
    assert metrics["requests_in_flight"] == metrics["renders_in_flight"] == 0
    assert metrics.outcomes() == {"saved": 5}


def test_a_client_that_went_away_is_not_in_flight(
        fresh, nginx, grafana, read):
    fresh.start()
    with nginx.connect() as s:
        body = b'{"imageUrl": "%s&var-manner=hold"}' % fresh.panel.encode()
        s.sendall(b"POST /grafana-images HTTP/1.1\r\nHost: x\r\n"
                  b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                  % (TOKEN.encode(), len(body), body))
        grafana.wait(held=1)
    until(lambda: read()["requests_in_flight"] == 0, "it was given up")
    assert read()["renders_in_flight"] == 0
    assert read().outcomes() == {"slow": 1}


def test_shared_and_saved_bytes_are_what_the_answers_were(
        fresh, post, grafana, read):
    fresh.start(reuse_seconds=60)
    leader = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)
    grafana.release()
    leader[0].join()
    answers = [leader[1][0]] + [post(manner="hold") for _ in range(3)]
    other = post("/d/other?viewPanel=2")
    assert {a.status for a in [*answers, other]} == {200}
    metrics = read()
    assert metrics["shared_total"] == 3
    assert metrics["saved_bytes_total"] == (answers[0].json["bytes"]
                                            + other.json["bytes"])
    assert metrics.outcomes() == {"saved": 5}
    assert metrics.outcomes("renders_total") == {"saved": 2}


def test_a_shared_failure_is_shared_and_saves_nothing(
        fresh, post, grafana, read):
    fresh.start()
    threads = [in_background(lambda: post(manner="hold,403"))
               for _ in range(3)]
    grafana.wait(held=1)
    until(lambda: read()["requests_in_flight"] == 3, "all three are in")
    while any(thread.is_alive() for thread, _ in threads):
        grafana.release()
    metrics = read()
    renders = metrics["renders_total", "forbidden"]
    assert metrics["requests_total", "forbidden"] == 3
    assert metrics["shared_total"] == 3 - renders
    assert metrics["saved_bytes_total"] == 0


@pytest.mark.parametrize("manner, word", [
    ("html", "not-a-png"), ("half", "not-a-png"), ("bad-crc", "not-a-png"),
    ("bomb", "too-big")])
def test_a_render_is_counted_by_what_came_of_it(fresh, post, read, manner, word):
    fresh.start()
    assert post(manner=manner).json["outcome"] == word
    metrics = read()
    assert metrics.outcomes("renders_total") == {word: 1}
    assert metrics["render_seconds_count"] == 1


def test_an_upload_is_counted_and_is_no_render(fresh, nginx, post, get, read):
    fresh.start(uploads="on")
    image = get(post().json["pubImg"]).body
    before = read()
    assert nginx.ask("/grafana-images/kept.png", "PUT", body=image).status == 201
    assert nginx.ask("/grafana-images/kept.png", "PUT",
                     body=b"x").status == 422
    metrics = read()
    assert metrics.outcomes() == {"saved": 2, "not-a-png": 1}
    assert metrics.outcomes("renders_total") == {"saved": 1}
    assert metrics["saved_bytes_total"] - before["saved_bytes_total"] == \
        len(image)


def test_a_render_is_timed_apart_from_its_request(fresh, post, read):
    fresh.start()
    post(manner="slow-first:1100")
    metrics = read()
    for name in ("request", "render"):
        assert metrics[name + "_seconds_bucket", "1"] == 0
        assert metrics[name + "_seconds_bucket", "50"] == 1
        assert metrics[name + "_seconds_sum"] >= 1.1
    assert metrics["request_seconds_sum"] >= metrics["render_seconds_sum"]


def test_a_histogram_grows_with_its_bounds_and_ends_in_its_count(
        fresh, post, read):
    fresh.start()
    for n in range(5):
        post("/d/histogram?viewPanel=%d" % n)
    metrics = read()
    for name in ("request_seconds", "render_seconds"):
        buckets = metrics.by_label(name + "_bucket")
        bounds = sorted(buckets, key=float)
        counts = [buckets[b] for b in bounds]
        assert bounds[-1] == "+Inf"
        assert counts == sorted(counts)
        assert counts[-1] == metrics[name + "_count"] == 5


def test_store_free_bytes_follows_the_file_system(fresh, read):
    fresh.start(min_free_bytes=12345)

    def check():
        fs = os.statvfs(STORE)
        assert read()["store_free_bytes"] == fs.f_bavail * fs.f_frsize
        return fs.f_bavail * fs.f_frsize

    before = check()
    path = os.path.join(STORE, "something-large")
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 5 << 20)
    assert check() <= before - (5 << 20)
    os.unlink(path)
    assert check() == before
    assert read()["store_min_free_bytes"] == 12345


def test_counters_go_on_after_a_restart(fresh, post, read):
    fresh.start()
    post()
    post(token=REFUSED)
    before = read()
    fresh.stop()
    fresh.start()
    assert read().values == before.values
    post()
    assert read().outcomes() == {"saved": 2, "token-refused": 1}


def test_where_they_cannot_be_shared_it_serves_and_says_so(
        fresh, post, read):
    fresh.start(state="/proc/no-such-folder/state")
    assert post().status == 200
    assert read().outcomes() == {"saved": 1}
    assert "metrics cannot be shared: " in fresh.text()


# ---- Counters add up


class Crew:
    """Several processes of the program that share one socket."""

    def __init__(self, service, size, **settings):
        self.service = service
        service.stop()
        service.configure(**settings)
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.socket.listen(1024)
        self.processes = [self.start() for _ in range(size)]

    def start(self):
        as_user = {"user": "daemon", "group": "daemon", "extra_groups": []} \
            if user_of_its_own() else {}
        with open(self.service.log_path, "a") as log:
            process = subprocess.Popen([self.service.program],
                                       stdin=self.socket, stderr=log, **as_user)
        until(lambda: process.poll() is not None or is_ready(process.pid),
              "it listens")
        assert process.poll() is None, self.service.text()
        return process

    def connections(self, process):
        """How many sockets it has open."""
        folder, count = "/proc/%d/fd" % process.pid, 0
        for name in os.listdir(folder):
            try:
                count += os.readlink(folder + "/" + name).startswith("socket:")
            except FileNotFoundError:
                pass
        return count

    def end(self, process, how):
        self.processes.remove(process)
        process.send_signal(how)
        return process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        codes = [self.end(p, signal.SIGTERM) for p in list(self.processes)]
        self.socket.close()
        if exc[0] is None:
            assert codes == [0] * len(codes)


class Load:
    """Sends questions of every kind, half of them past the web server, and keeps
    what became of them. A request that was cut off has no outcome."""

    def __init__(self, service, post, fastcgi, grafana):
        self.service = service
        self.post = post
        self.fastcgi = fastcgi
        self.grafana = grafana
        self.outcomes = collections.Counter()
        self.sent = self.cut_off = self.bytes = 0
        self.number = itertools.count()
        self.lock = threading.Lock()
        self.half = None, threading.Event()  # of a storm: when, and that it is

    def body(self, manner, n):
        return json.dumps({"imageUrl": "%s/d/load?viewPanel=%d&var-manner=%s" % (
            self.grafana.url, n, manner)}).encode()

    def question(self, n):
        """Body, token, method."""
        kind = n % 10
        if kind < 4:
            return self.body("fresh", n % 40), TOKEN, "POST"
        return [
            (self.body("fresh", n), REFUSED, "POST"),
            (self.body("403", n), TOKEN, "POST"),
            (self.body("html", n), TOKEN, "POST"),
            (b"{", TOKEN, "POST"),
            (b'{"imageUrl": "http://elsewhere.example/d/x"}', TOKEN, "POST"),
            (b"", TOKEN, "DELETE"),
        ][kind - 4]

    def by_nginx(self, body, token, method):
        if method != "POST":
            return Reply(*self.service.nginx.ask(
                "/grafana-images", method, {"Accept": "application/json"}))
        return self.post(body=body, token=token)

    def by_fastcgi(self, body, token, method):
        try:
            return self.fastcgi(body, REQUEST_METHOD=method,
                                HTTP_ACCEPT="application/json",
                                HTTP_AUTHORIZATION="Bearer " + token)
        except (OSError, ValueError):
            return None  # no whole answer

    def send(self, body, token=TOKEN, method="POST"):
        n = next(self.number)
        way = self.by_fastcgi if n % 2 else self.by_nginx
        answer = way(body, token, method)
        with self.lock:
            self.sent += 1
            if self.sent == self.half[0]:
                self.half[1].set()
            if answer is None or answer.json.get("outcome") == "down":
                self.cut_off += 1
            elif answer.status == 200:
                self.outcomes["saved"] += 1
            else:
                self.outcomes[answer.json["outcome"]] += 1

    def storm(self, count, meanwhile=lambda: None):
        """So many questions, 16 at a time; "meanwhile" when half are answered."""
        self.half = self.sent + count // 2, threading.Event()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            questions = [self.question(n) for n in range(count)]
            jobs = [pool.submit(self.send, *q) for q in questions]
            assert self.half[1].wait(60)
            meanwhile()
            for job in jobs:
                job.result()

    def check(self, metrics):
        records = self.service.records()
        assert metrics.outcomes() == dict(self.outcomes)
        answered = self.sent - self.cut_off
        assert sum(metrics.outcomes().values()) == answered
        assert metrics["request_seconds_count"] == answered
        assert metrics["render_seconds_count"] == sum(
            metrics.outcomes("renders_total").values())
        assert metrics["requests_in_flight"] == 0
        assert metrics["renders_in_flight"] == 0
        assert len(records) == answered
        shared = [r for r in records if r["shared"] == "1"]
        assert metrics["shared_total"] == len(shared)
        assert metrics["saved_bytes_total"] == sum(
            int(r["bytes"]) for r in records if r["shared"] == "0")
        rendered = [r for r in records if r["render_ms"]]
        assert metrics["render_seconds_count"] == len(rendered)


@pytest.fixture
def load(fresh, post, fastcgi, grafana, nginx):
    fresh.nginx = nginx
    return Load(fresh, post, fastcgi, grafana)


def logged(load):
    """A line is written after its answer: all are there."""
    until(lambda: len(load.service.records()) >= load.sent - load.cut_off,
          "all lines")


def test_requests_over_four_processes_add_up(load, read):
    with Crew(load.service, 4, reuse_seconds=5):
        load.storm(MANY)
        logged(load)
        load.check(read())
    assert load.cut_off == 0
    assert len({r["pid"] for r in load.service.records()}) > 1


def hold(load, crew, count):
    """So many renders that Grafana holds, and the process with most of them."""
    idle = {p.pid: crew.connections(p) for p in crew.processes}
    threads = [in_background(lambda n=n: load.send(load.body("hold", n)))
               for n in range(1000, 1000 + count)]
    load.grafana.wait(held=count)
    return threads, max(crew.processes,
                        key=lambda p: crew.connections(p) - idle[p.pid])


def test_they_add_up_when_one_is_killed_and_another_takes_its_place(
        load, read):
    with Crew(load.service, 4, reuse_seconds=0, max_renders=32) as crew:
        load.storm(MANY // 4)
        threads, victim = hold(load, crew, 24)
        assert read()["requests_in_flight"] == 24
        assert read()["renders_in_flight"] == 24
        assert crew.end(victim, signal.SIGKILL) == -signal.SIGKILL
        until(lambda: load.cut_off, "those in it are cut off")
        left = read()["requests_in_flight"]
        assert 0 <= left < 24
        assert read()["renders_in_flight"] == left
        while any(thread.is_alive() for thread, _ in threads):
            load.grafana.release()
        assert load.cut_off == 24 - left
        logged(load)
        load.check(read())
        load.storm(MANY // 4)
        crew.processes.append(crew.start())
        load.storm(MANY // 4)
        logged(load)
        load.check(read())


def test_they_add_up_across_a_restart_of_one(load, read):
    def restart():
        assert crew.end(crew.processes[1], signal.SIGTERM) == 0
        crew.processes.append(crew.start())

    with Crew(load.service, 4, reuse_seconds=5) as crew:
        load.storm(MANY, restart)
        logged(load)
        load.check(read())
    assert load.cut_off == 0
    assert len({r["pid"] for r in load.service.records()}) > 1


def children_of(server, program):
    """The processes of the program that a web server started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                group = int(f.read().rsplit(")", 1)[1].split()[2])
            if group == os.getpgid(server.process.pid) and \
                    os.readlink("/proc/%s/exe" % pid) == program:
                found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


# What counts is sanitized above; here each process would take seconds to start.
@pytest.mark.skipif(sanitized(), reason="not sanitized")
@pytest.mark.parametrize("cls", [
    pytest.param(c, id=c.name, marks=pytest.mark.skipif(
        not c.available(), reason=c.name + " is not installed"))
    for c in (webservers.ApacheFcgid, webservers.ApacheCgid)])
def test_processes_that_apache_starts_count_together(
        service, post, grafana, read, cls):
    service.stop()
    with cls(program=service.program) as apache:
        new_store(service, "www-data")
        service.configure(public_url=apache.url + "/saved-images")
        # held, so that each needs a process of its own
        threads = [in_background(lambda n=n: post(
            "/d/apache?viewPanel=%d" % n, manner="hold", server=apache))
            for n in range(6)]
        grafana.wait(held=6)
        assert read(apache)["requests_in_flight"] == 6
        grafana.release()
        for thread, box in threads:
            thread.join()
            assert box[0].status == 200
        if cls is webservers.ApacheFcgid:
            idle = children_of(apache, service.program)
            assert len(idle) > 1
            os.kill(idle[0], signal.SIGKILL)
        for n in range(6):
            # one may meet the killed process's socket
            until(lambda: post("{", token=None, body="{",
                               server=apache).status == 401, "it answers")
        metrics = read(apache)
        saved = [b[0].json["bytes"] for _, b in threads]
        assert metrics["requests_total", "saved"] == 6
        assert metrics["requests_total", "no-token"] == 6
        assert metrics["request_seconds_count"] == 12
        assert metrics["saved_bytes_total"] == sum(saved)
        assert metrics["requests_in_flight"] == 0
    no_store(service)
