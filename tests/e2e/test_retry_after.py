"""Retry-After, in both its forms (RFC 9110, 10.2.3): who says when to come
again is not asked before."""

import email.utils
import time

import pytest

from scripted import Scripted, png

PATH = "/d/cpu/cpu?viewPanel=1"
HOUR = 3600


def date(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def rfc850(seconds):
    return time.strftime("%A, %d-%b-%y %H:%M:%S GMT",
                         time.gmtime(time.time() + seconds))


def asctime(seconds):
    return time.asctime(time.gmtime(time.time() + seconds))


def busy(status, *headers):
    made = [(n, v() if callable(v) else v) for n, v in headers]
    return lambda peer: peer.answer(b"{}", status, made)


LONG = [
    [("Retry-After", "120")],
    [("Retry-After", lambda: date(120))],
    [("Retry-After", lambda: rfc850(120))],
    [("Retry-After", lambda: asctime(120))],
    # a clock that is hours off: its own Date says how long that is
    [("Date", lambda: date(-3 * HOUR)),
     ("Retry-After", lambda: date(120 - 3 * HOUR))],
    [("Retry-After", lambda: date(120 + 3 * HOUR)),
     ("Date", lambda: date(3 * HOUR))],
    [("Retry-After", "99999999999999999999")],
]


@pytest.mark.parametrize("status", ["429 Too Many Requests",
                                    "503 Service Unavailable"])
@pytest.mark.parametrize("headers", LONG)
def test_a_time_beyond_the_request_is_answered_at_once_and_asked_once(
        service, post, status, headers):
    with Scripted(busy(status, *headers)) as server:
        service.start(preflight="off", grafana=server.url, answer_seconds=20)
        answer = post(server.url + PATH)
        assert (answer.status, answer.json["outcome"]) == (503, "grafana-busy")
        assert 55 <= int(answer.headers["Retry-After"]) <= 60
        assert len(server.requests) == 1


@pytest.mark.parametrize("headers", [
    [("Retry-After", "0")],
    [("Retry-After", lambda: date(-100))],
    [("Retry-After", lambda: date(1))],
    [("Date", lambda: date(3 * HOUR)),
     ("Retry-After", lambda: date(3 * HOUR + 1))],
])
@pytest.mark.parametrize("status", ["429 Too Many Requests",
                                    "503 Service Unavailable"])
def test_a_time_that_comes_is_waited_for(service, post, status, headers):
    def do(peer):
        if len(peer.server.requests) == 1:
            busy(status, *headers)(peer)
        else:
            peer.answer(png(1))

    with Scripted(do) as server:
        service.start(preflight="off", grafana=server.url, answer_seconds=30)
        assert post(server.url + PATH).status == 200
        assert len(server.requests) == 2


@pytest.mark.parametrize("headers", [
    [], [("Retry-After", "soon")], [("Retry-After", "")],
    [("Retry-After", "-5")], [("Retry-After", "99:99")]])
def test_a_503_that_names_no_time_is_upstream(service, post, headers):
    with Scripted(busy("503 Service Unavailable", *headers)) as server:
        service.start(preflight="off", grafana=server.url)
        answer = post(server.url + PATH)
        assert (answer.status, answer.json["outcome"]) == (502, "upstream")
