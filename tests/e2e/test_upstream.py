"""Between us and Grafana: what cannot be reached, found or trusted is said in
time."""

import contextlib
import socket
import threading

import pytest

from conftest import PANEL
from test_sandbox import replace
from tls import tls

MARGIN_MS = 1500  # beyond a limit of one second


def total_ms(service):
    return int(service.record()["total_ms"])


# Who does not answer.

@pytest.fixture
def black_hole():
    """The port of a listener that takes no connection any more: what comes to
    it is dropped, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            one = stack.enter_context(socket.socket())
            one.settimeout(0.2)
            try:
                one.connect(address)
            except TimeoutError:
                yield address[1]
                return
    raise AssertionError("the listener's backlog has no end")


def test_a_grafana_that_takes_no_connection_is_slow_after_connect_seconds(
        service, post, black_hole):
    url = "http://127.0.0.1:%d" % black_hole
    service.start(grafana=url, connect_seconds=1, workers=1)
    answer = post(url + PANEL)
    assert (answer.status, answer.json["outcome"]) == (504, "slow")
    assert answer.json["detail"]
    assert 900 <= total_ms(service) < 1000 + MARGIN_MS


def test_connect_seconds_are_cut_to_what_is_left_of_the_request(
        service, post, black_hole):
    url = "http://127.0.0.1:%d" % black_hole
    service.start(grafana=url, connect_seconds=60, answer_seconds=1, workers=1)
    assert post(url + PANEL).json["outcome"] == "slow"
    assert total_ms(service) < 1000 + MARGIN_MS


@pytest.fixture
def silent_name_server():
    """It hears the questions and says nothing."""
    with open("/etc/resolv.conf") as f:
        before = f.read()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.79", 53))
        server.setblocking(False)
        replace("/etc/resolv.conf", "nameserver 127.0.0.79\n"
                "options timeout:30 attempts:1\n")
        try:
            yield server
        finally:
            replace("/etc/resolv.conf", before)


def was_asked(server):
    try:
        return server.recv(512)
    except BlockingIOError:
        return None


def test_a_name_server_that_never_answers_is_slow_after_connect_seconds(
        service, post, grafana, silent_name_server):
    dead = "http://dead.test:%d" % grafana.port
    service.start(grafana="%s, %s" % (dead, grafana.url), connect_seconds=1,
                  workers=1)
    answer = post(dead + PANEL)
    assert (answer.status, answer.json["outcome"]) == (504, "slow")
    assert answer.json["detail"]
    assert total_ms(service) < 1000 + MARGIN_MS
    assert was_asked(silent_name_server)
    # the worker is free, whatever the look-up is still waiting for
    assert post(grafana.url + PANEL).status == 200


# Who is not trusted.

CERTIFICATES = {
    "good": (dict(), 200),
    "expired": (dict(days=-1), 502),
    "for another name": (dict(name="other.test"), 502),
    "for a part of the name": (dict(name="test"), 502),
    "for another level": (dict(name="*.secure.test"), 502),
}


@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_a_certificate_that_does_not_verify_is_upstream_and_gets_no_token(
        service, post, grafana, tmp_path, certificate):
    options, status = CERTIFICATES[certificate]
    with tls(grafana, tmp_path, **options) as (url, ca):
        service.start(grafana=url, tls_ca_file=ca)
        answer = post(url + PANEL)
        assert answer.status == status
        if status == 200:
            return
        assert answer.json["outcome"] == "upstream"
        assert "certificate" in answer.json["detail"]
        assert grafana.counts()["requests"] == 0
        assert total_ms(service) < MARGIN_MS


def test_a_grafana_that_stops_in_its_handshake_is_slow_after_connect_seconds(
        service, post):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        url = "https://127.0.0.1:%d" % listener.getsockname()[1]
        service.start(grafana=url, connect_seconds=1, workers=1)
        answer = post(url + PANEL)
    assert (answer.status, answer.json["outcome"]) == (504, "slow")
    assert total_ms(service) < 1000 + MARGIN_MS


def test_http_where_https_was_meant_is_upstream(service, post):
    def answer_twice():
        for _ in "dashboard", "render":
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                             b"\r\n400 Bad Request")

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        thread = threading.Thread(target=answer_twice)
        thread.start()
        url = "https://127.0.0.1:%d" % listener.getsockname()[1]
        service.start(grafana=url)
        answer = post(url + PANEL)
        thread.join()
    assert (answer.status, answer.json["outcome"]) == (502, "upstream")
    assert "TLS" in answer.json["detail"]
