"""A token is gone when its request is."""

import base64
import concurrent.futures
import os

import pytest

import memory
from conftest import PANEL, TOKEN
from service import sanitized, until

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
