"""A token is gone when its request is."""

import base64
import concurrent.futures
import os
import subprocess

import pytest

import memory
from conftest import PANEL, TOKEN
from service import sanitized, until, user_of_its_own
from tls import tls

pytestmark = pytest.mark.skipif(
    sanitized() or os.geteuid() != 0,
    reason="a sanitizer keeps what was freed; only root may look")


def canary():
    """A token that nobody has."""
    return "glsa_" + base64.b32encode(os.urandom(30)).decode()


def left(service, *secrets):
    """Where one of them is. Of a freed piece malloc() uses the first bytes, so
    the ends are looked for."""
    return memory.found(service.pid, [s[-24:].encode() for s in secrets])


def test_a_token_that_is_in_use_is_found(service, post, grafana):
    """That is: the test below can fail."""
    service.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, manner="hold")
        grafana.wait(held=1)
        assert left(service, TOKEN)
        grafana.release()
        assert answer.result().status == 200
    until(lambda: left(service, TOKEN) == [], "the token is gone")


def test_no_token_is_left_in_memory(service, post, grafana):
    service.start(workers=4, render_seconds=1, answer_seconds=2)
    secrets = [canary() for _ in range(12)]
    manners = ["302", "hang", "500", None, "reset", "truncated", "endless"]

    def ask(n):
        post("/d/uid?viewPanel=%d" % n, secrets[n],
             manner=manners[n % len(manners)])
        post("/d/uid?viewPanel=%d" % n)

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(12)))
    basic = base64.b64encode(b"admin:" + os.urandom(24)).decode()
    digest = canary()
    post(headers={"Authorization": "Basic " + basic})
    post(headers={"Authorization": "Digest " + digest})
    post(body='{"imageUrl": "/goto/x?auth_token=%s"}' % digest)
    until(lambda: left(service, *secrets, TOKEN, basic, digest) == [],
          "all of them are gone", 10)


def test_no_token_is_left_of_requests_over_https(
        service, post, grafana, tmp_path):
    manners = [None, "500", "truncated", "401", "hang"]
    secrets = [canary() for _ in manners]
    with tls(grafana, tmp_path) as (url, ca):
        service.start(grafana=url, tls_ca_file=ca, workers=2,
                      render_seconds=1)
        assert post(url + PANEL).status == 200
        for n, secret in enumerate(secrets):
            for token in secret, TOKEN:
                post(url + "/d/uid?viewPanel=%d" % n, token,
                     manner=manners[n])
        until(lambda: left(service, *secrets, TOKEN) == [],
              "all of them are gone", 10)


def test_no_token_is_left_of_requests_that_follow_another(
        service, post, grafana):
    service.start(workers=8, reuse_seconds=60)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(post, manner="hold") for _ in range(8)]
        grafana.wait(held=1)
        until(lambda: len(left(service, TOKEN)) > 8, "they hold the token")
        grafana.release()
        assert {a.result().status for a in answers} == {200}
    shared = [r["shared"] for r in service.records()]
    assert (shared.count("0"), shared.count("1")) == (1, 7)
    until(lambda: left(service, TOKEN) == [], "the token is gone", 10)


@pytest.mark.skipif(not user_of_its_own(), reason="needs a user of its own")
def test_nobody_but_root_may_look_into_the_process(running):
    """Not even another process of the same user, such as a web server's."""
    assert os.stat("/proc/%d/status" % running.pid).st_uid == 0
    with open("/proc/%d/status" % running.pid) as f:
        assert "\nUid:\t0\t" not in f.read()
    for name in "mem", "maps", "environ":
        path = "/proc/%d/%s" % (running.pid, name)
        assert os.stat(path).st_uid == 0
        out = subprocess.run(["cat", path], user="daemon", group="daemon",
                             extra_groups=[], capture_output=True)
        assert (out.returncode, out.stdout) == (1, b"")
        assert b"Permission denied" in out.stderr
