"""Kept connections: what breaks on one is asked again on a new one, and nothing
that lies on one reaches a request that it was not meant for."""

import hashlib
import ssl

import pytest

import tls
from conftest import TOKEN
from scripted import Scripted, png
from service import STORE, until

PICTURE = png(100)
CA = "/etc/ca-connections.pem"
HEALTH = b'{"database": "ok", "version": "11.0.0"}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    where = tmp_path_factory.mktemp("tls")
    cert, key = tls.make_certificate(where, "secure.test", 2)
    with open(CA, "wb") as f:
        f.write(cert.read_bytes())
    with tls.named("secure.test"):
        yield cert, key


@pytest.fixture(params=["plain", "TLS 1.2", "TLS 1.3"])
def scripted(request, certificate):
    """scripted(do): a Scripted server by that protocol."""
    def make(do):
        if request.param == "plain":
            return Scripted(do)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2 \
            if request.param == "TLS 1.2" else ssl.TLSVersion.TLSv1_3
        return Scripted(do, context, "secure.test")
    return make


def start(service, server, **settings):
    """One worker, and so one connection; it trusts the server's certificate."""
    service.start(grafana=server.url, tls_ca_file=CA, workers=1, preflight="off",
                  **settings)


def panel(server, number):
    return "%s/d/cpu/cpu?viewPanel=%d" % (server.url, number)


def saved(answer):
    """The picture that the answer's address leads to."""
    assert answer.status == 200, answer.body
    with open(STORE + answer.json["pubImg"].split("/saved-images")[1],
              "rb") as f:
        return f.read()


def as_saved(answer):
    """The same picture, whatever chunks were dropped: by its digest."""
    return hashlib.sha256(saved(answer)).hexdigest()


def test_requests_on_one_connection_follow_one_another(
        service, post, scripted):
    with scripted(lambda peer: peer.answer(PICTURE)) as server:
        start(service, server)
        for number in range(1, 9):
            assert post(panel(server, number)).status == 200
        assert server.connections == 1
        assert len(server.requests) == 8


WAYS = ["close", "raw_close", "reset"]


@pytest.mark.parametrize("way", WAYS)
def test_a_kept_connection_that_breaks_at_each_request_costs_a_connection_alone(
        service, post, scripted, way):
    def do(peer):
        if peer.number == 1:
            peer.answer(PICTURE)
        else:
            getattr(peer, way)()

    with scripted(do) as server:
        start(service, server)
        for number in range(1, 21):  # libcurl itself gives up at the seventh
            assert post(panel(server, number)).status == 200
        # each but the first was asked twice: on the kept one, on a new one
        assert server.connections == 20
        assert len(server.requests) == 39


@pytest.mark.parametrize("way", WAYS)
def test_a_kept_connection_that_has_ended_is_not_used(
        service, post, scripted, way):
    def do(peer):
        peer.answer(PICTURE)
        peer.delivered()
        getattr(peer, way)()
        ended.append(peer)

    ended = []
    with scripted(do) as server:
        start(service, server)
        for number in range(1, 9):
            assert post(panel(server, number)).status == 200
            until(lambda: len(ended) == number, "the connection has ended")
        assert [r[1] for r in server.requests] == [1] * 8


@pytest.mark.parametrize("way", WAYS)
def test_a_new_connection_that_breaks_is_upstream_and_asked_once(
        service, post, scripted, way):
    with scripted(lambda peer: getattr(peer, way)()) as server:
        start(service, server)
        answer = post(panel(server, 1))
        assert (answer.status, answer.json["outcome"]) == (502, "upstream")
        assert "closed the connection" in answer.json["detail"]
        assert len(server.requests) == 1


def test_an_answer_that_breaks_after_its_first_byte_is_not_asked_for_again(
        service, post, scripted):
    def do(peer):
        if peer.number == 1:
            peer.answer(PICTURE)
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12")
            peer.close()

    with scripted(do) as server:
        start(service, server)
        assert post(panel(server, 1)).status == 200
        answer = post(panel(server, 2))
        assert (answer.status, answer.json["outcome"]) == (502, "upstream")
        assert len(server.requests) == 2


def test_the_rest_of_what_came_unasked_is_no_answer(service, post, scripted):
    def do(peer):
        if peer.number == 1:
            peer.answer(PICTURE)
        else:
            peer.send(b"ngth: 5\r\n\r\nHello")

    with scripted(do) as server:
        start(service, server)
        for number in range(1, 9):
            assert post(panel(server, number)).status == 200


def test_health_is_well_when_its_kept_connection_breaks(
        service, post, get, nginx, scripted):
    def do(peer):
        if "/api/health" in peer.target and peer.number > 1:
            peer.close()
        else:
            peer.answer(HEALTH if "health" in peer.target else PICTURE)

    with scripted(do) as server:
        start(service, server)
        assert post(panel(server, 1)).status == 200
        answer = get(nginx.url + "/grafana-images/health")
        assert (answer.status, answer.json["grafana"]) == (
            200, {server.url: "ok"})
        assert server.connections == 2


# What comes unasked.

def second_answer(peer):
    peer.answer(png(200))


def half_an_answer(peer):
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + png(200)[:40])


def an_interim_answer(peer):
    peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize("unasked", [
    second_answer, half_an_answer, an_interim_answer,
    lambda peer: peer.send(b"\0")])
def test_what_comes_unasked_reaches_no_other_request(
        service, post, scripted, unasked):
    def do(peer):
        peer.answer(PICTURE if peer.headers["Authorization"] ==
                    "Bearer " + TOKEN else png(50))
        if peer.server.connections == 1:
            peer.delivered()
            unasked(peer)
            peer.delivered()
            sent.append(peer)

    sent = []
    with scripted(do) as server:
        start(service, server)
        mine = as_saved(post(panel(server, 1)))
        until(lambda: sent, "something more was sent")
        other = as_saved(post(panel(server, 2), token="glsa_anothersanothers"))
        assert other != mine
        assert as_saved(post(panel(server, 3))) == mine
        # and the next one is kept as ever
        assert [r[:2] for r in server.requests] == [(1, 1), (2, 1), (2, 2)]
