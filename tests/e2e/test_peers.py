"""What speaks FastCGI to us may speak it badly, slowly, or not to the end: it
costs that connection, and its worker is free."""

import contextlib
import fcntl
import json
import re
import select
import socket
import termios
import time

import pytest

from conftest import PANEL
from service import SECONDS, SOCKET, images, sanitized, until
from test_life import in_background

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6
GET_VALUES, VALUES, UNKNOWN = 9, 10, 11  # FastCGI specification 1.0, 8
SILENCE_SECONDS = 4
SOON_SECONDS = 3  # less than a silence, more than any request here takes


def record(kind, content=b"", request=1, padding=0):
    return bytes([1, kind, 0, request]) + len(content).to_bytes(2, "big") + \
        bytes([padding, 0]) + content + bytes(padding)


def split(stream):
    """(type, request, content) of each record."""
    found = []
    while len(stream) >= 8:
        size = int.from_bytes(stream[4:6], "big")
        found.append((stream[1], stream[3], stream[8:8 + size]))
        stream = stream[8 + size + stream[6]:]
    return found


def status(records):
    """Of the reply in these records; None: there is none."""
    out = b"".join(content for kind, _, content in records if kind == STDOUT)
    return int(out.split()[1]) if out else None


@pytest.fixture
def request_records(fastcgi_request, grafana):
    """Of a request for a panel, each by itself."""
    def make(panel=PANEL, **variables):
        body = json.dumps({"imageUrl": grafana.url + panel}).encode()
        return [record(kind, content) for kind, _, content in split(
            fastcgi_request(body, **variables))]
    return make


class Peer(socket.socket):
    def __init__(self, sent=b""):
        super().__init__(socket.AF_UNIX)
        self.settimeout(SECONDS)
        self.connect(SOCKET)
        self.sendall(sent)

    def unread(self):
        """Bytes that the other side has not taken yet."""
        return int.from_bytes(
            fcntl.ioctl(self, termios.TIOCOUTQ, bytes(4)), "little")

    def records(self):
        """All until the other side closes."""
        data = b""
        try:
            while chunk := self.recv(65536):
                data += chunk
        except ConnectionResetError:
            pass  # it had not read all that was sent
        return split(data)


def next_is_served(post, seconds=SOON_SECONDS):
    start = time.monotonic()
    assert post().status == 200
    assert time.monotonic() - start < seconds


# Odd, but right.

def test_a_request_that_comes_byte_by_byte_is_answered(
        service, request_records):
    service.start(workers=1)
    with Peer() as peer:
        for byte in b"".join(request_records()):
            peer.sendall(bytes([byte]))
            until(lambda: peer.unread() == 0, "it is read")
        assert status(peer.records()) == 200


def test_padding_and_many_small_records_are_taken(service, request_records):
    service.start(workers=1)
    with Peer() as peer:
        for kind, _, content in split(b"".join(request_records())):
            if kind == BEGIN or not content:
                peer.sendall(record(kind, content))
                continue
            for i in range(len(content)):
                peer.sendall(record(kind, content[i:i + 1], padding=i % 256))
        assert status(peer.records()) == 200


def test_a_record_of_unknown_type_is_told_so_and_the_request_goes_on(
        service, request_records):
    service.start(workers=1)
    with Peer() as peer:
        for one in request_records():
            peer.sendall(record(42, request=0) + one)
        records = peer.records()
    assert status(records) == 200
    told = [content for kind, request, content in records if kind == UNKNOWN]
    assert told and all(content[0] == 42 for content in told)


def test_a_peer_that_asks_for_our_limits_is_told_them_and_served(
        service, request_records):
    service.start(workers=1)
    names = b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS", b"OTHER"
    ask = b"".join(bytes([len(n), 0]) + n for n in names)
    with Peer(record(GET_VALUES, ask, request=0)) as peer:
        peer.sendall(b"".join(request_records()))
        records = peer.records()
    assert status(records) == 200
    [values] = [content for kind, _, content in records if kind == VALUES]
    assert values == b"\x0e\1FCGI_MAX_CONNS1\x0d\1FCGI_MAX_REQS1" \
        b"\x0f\1FCGI_MPXS_CONNS0"


def test_variables_longer_than_a_pipe_are_taken(service, request_records):
    service.start(workers=1)
    with Peer() as peer:
        for one in request_records():
            if one[1] == PARAMS and len(one) > 8:
                for n in range(3):
                    value = b"x" * 50000
                    peer.sendall(record(PARAMS, b"\x08" + (
                        len(value) | 1 << 31).to_bytes(4, "big") +
                        b"HTTP_X_%d" % n + value))
            peer.sendall(one)
        assert status(peer.records()) == 200


def test_a_peer_that_asks_for_our_limits_alone_is_told_them(service):
    service.start(workers=1)
    ask = b"\x0d\0FCGI_MAX_REQS\x0f\0FCGI_MPXS_CONNS"
    with Peer(record(GET_VALUES, ask, request=0)) as peer:
        [(kind, request, values)] = split(peer.recv(65536))
    assert (kind, request) == (VALUES, 0)
    assert values == b"\x0d\1FCGI_MAX_REQS1\x0f\1FCGI_MPXS_CONNS0"


def test_a_second_request_on_the_connection_is_refused_and_the_first_served(
        service, request_records):
    service.start(workers=1)
    first = request_records()
    second = [record(kind, content, request=2)
              for kind, _, content in split(b"".join(request_records()))]
    with Peer() as peer:
        for one, two in zip(first, second):
            peer.sendall(one + two)
        records = peer.records()
    assert status(records) == 200
    ends = {request: content[4] for kind, request, content in records
            if kind == END}
    assert ends == {1: 0, 2: 1}  # complete; cannot multiplex


# Wrong.

WRONG = {
    "of another version": b"\2" + record(BEGIN, b"\0\1" + bytes(6))[1:],
    "that begins without a number":
        record(BEGIN, b"\0\1" + bytes(6), request=0),
    "that begins too short": record(BEGIN, b"\0\1"),
    "for a role that is none": record(BEGIN, b"\0\7" + bytes(6)),
    "with a variable longer than all of them":
        record(BEGIN, b"\0\1" + bytes(6)) + record(PARAMS, b"\x50\1A") +
        record(PARAMS),
    "with a variable of gigabytes":
        record(BEGIN, b"\0\1" + bytes(6)) +
        record(PARAMS, b"\xff\xff\xff\xfe\xff\xff\xff\xfeA") + record(PARAMS),
    "with a body before its variables":
        record(BEGIN, b"\0\1" + bytes(6)) + record(STDIN, b"{}"),
    "with half a length":
        record(BEGIN, b"\0\1" + bytes(6)) + record(PARAMS, b"\x80\0") +
        record(PARAMS),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_request_is_ended_at_once(service, post, wrong):
    if sanitized() and "gigabytes" in wrong:
        pytest.skip("a sanitizer ends who asks for so much")
    service.start(workers=1)
    with Peer(WRONG[wrong]) as peer:
        next_is_served(post)
        assert status(peer.records()) is None


@pytest.mark.skipif(sanitized(), reason="a sanitizer ends who asks for that")
def test_what_a_peer_only_announces_costs_no_memory(service, post):
    service.start(workers=1)
    with Peer(WRONG["with a variable of gigabytes"].replace(
            b"\xff\xff\xff\xfe", b"\xbf\xff\xff\xfe")) as peer:
        assert status(peer.records()) is None
    assert post().status == 200
    with open("/proc/%d/status" % service.pid) as f:
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])
    assert peak < 100 * 1024


def test_a_request_that_is_aborted_frees_its_worker_at_once(
        service, post, request_records):
    service.start(workers=1)
    whole = request_records()
    for sent in range(1, len(whole)):
        with Peer(b"".join(whole[:sent]) + record(ABORT)) as peer:
            next_is_served(post)
            assert status(peer.records()) == (None if sent < 3 else 400)


def test_a_peer_that_closes_in_the_middle_frees_its_worker_at_once(
        service, post, grafana, request_records):
    service.start(workers=1)
    assert post().status == 200
    files, renders = service.files(), grafana.counts()["renders"]
    whole = b"".join(request_records())
    ends = range(0, len(whole) - 8, 23)
    for end in ends:
        Peer(whole[:end]).close()
    next_is_served(post)
    assert grafana.counts()["renders"] == renders + 1
    until(lambda: service.files() <= files, "descriptors come back", 10)


def test_a_peer_that_says_no_more_in_the_middle_is_answered_at_once(
        service, post, request_records):
    service.start(workers=1)
    whole = b"".join(request_records())
    with Peer(whole[:-20]) as peer:
        peer.shutdown(socket.SHUT_WR)
        assert status(peer.records()) == 400
    next_is_served(post)


def test_a_peer_that_has_said_all_still_waits_for_its_answer(
        service, grafana, request_records):
    service.start(workers=1)
    with Peer(b"".join(request_records(PANEL + "&var-manner=hold"))) as peer:
        grafana.wait(held=1)
        peer.shutdown(socket.SHUT_WR)
        early, _, _ = select.select([peer], [], [], 0.5)
        assert not early
        grafana.release()
        assert status(peer.records()) == 200


# Slow.

def test_peers_that_stall_give_up_their_workers(
        service, post, grafana, request_records):
    """Beside those of test_life.py."""
    begin, variables, end, body, _ = request_records()
    stalls = [
        begin, begin + variables[:20], begin + variables, begin + end[:4],
        begin + variables + end + body[:8],
        record(PARAMS, b"\1\1AB"), record(ABORT), record(GET_VALUES, request=0),
        begin + variables + end + record(STDIN, b" " * 9) * 9,
    ]
    # one credential has three quarters of them
    service.start(workers=len(stalls) * 4 // 3 + 1)
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(stall)) for stall in stalls]
        threads = [in_background(lambda n=n: post(
            "/d/uid?viewPanel=%d" % n, manner="hold"))
            for n in range(len(stalls))]
        grafana.wait(held=len(stalls))
        assert time.monotonic() - start < SILENCE_SECONDS + SOON_SECONDS
        grafana.release()
        for thread, _ in threads:
            thread.join()
        for peer in peers:
            assert status(peer.records()) in (None, 400)
    assert [box[0].status for _, box in threads] == [200] * len(stalls)


def test_a_peer_that_stalls_in_its_body_is_given_up(
        service, post, request_records):
    service.start(workers=1)
    start = time.monotonic()
    with Peer(b"".join(request_records())[:-20]) as peer:
        next_is_served(post, SILENCE_SECONDS + SOON_SECONDS)
        assert status(peer.records()) == 400
    assert time.monotonic() - start > SILENCE_SECONDS - 1


def drip(peer, byte=b" "):
    """A byte now and then, until there is an answer; how often."""
    count = 0
    while not select.select([peer], [], [], 0.1)[0]:
        peer.sendall(byte)
        count += 1
    return count


def test_a_body_in_drops_is_given_up_after_answer_seconds(
        service, post, request_records):
    service.start(workers=1, answer_seconds=2)
    head = b"".join(request_records(CONTENT_LENGTH="60000")[:-2])
    with Peer(head + record(STDIN, bytes(60000))[:8]) as peer:
        assert drip(peer) > 10
        assert status(peer.records()) == 504
    one = service.record()
    assert one["outcome"] == "slow"
    assert 1900 <= int(one["total_ms"]) < 2000 + 1500
    next_is_served(post)


def test_a_body_in_drops_of_a_record_each_is_given_up_after_answer_seconds(
        service, post, request_records):
    service.start(workers=1, answer_seconds=2)
    head = b"".join(request_records(CONTENT_LENGTH="60000")[:-2])
    with Peer(head) as peer:
        assert drip(peer, record(STDIN, b" ")) > 10
        assert status(peer.records()) == 504
    next_is_served(post)


def test_a_body_slower_than_a_kibibyte_a_second_is_given_up(
        service, post, request_records):
    service.start(workers=1)
    head = b"".join(request_records(CONTENT_LENGTH="60000")[:-2])
    start = time.monotonic()
    with Peer(head + record(STDIN, bytes(60000))[:8]) as peer:
        drip(peer)
        assert status(peer.records()) == 504
    assert 4.9 < time.monotonic() - start < 5 + SOON_SECONDS
    assert service.record()["outcome"] == "slow"


def test_an_upload_slower_than_that_is_given_up(service, fastcgi_request):
    service.start(workers=1, uploads="on")
    head = fastcgi_request(b"", CONTENT_LENGTH="60000", REQUEST_METHOD="PUT",
                           PATH_INFO="/drops.png")[:-8]
    start = time.monotonic()
    with Peer(head + record(STDIN, bytes(60000))[:8]) as peer:
        drip(peer)
        assert status(peer.records()) == 504
    assert 4.9 < time.monotonic() - start < 5 + SOON_SECONDS


def test_bodies_in_drops_hold_no_worker(service, post, request_records):
    service.start(workers=1)
    head = b"".join(request_records(CONTENT_LENGTH="60000")[:-2])
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(head + record(STDIN, b"{")))
                 for _ in range(40)]
        for _ in range(5):
            for peer in peers:
                peer.sendall(record(STDIN, b" "))
            next_is_served(post, 1)


REFUSED_BY_HEAD = [
    ({"HTTP_AUTHORIZATION": ""}, 401),
    ({"HTTP_AUTHORIZATION": "Digest x"}, 401),
    ({"REQUEST_METHOD": "DELETE"}, 405),
    ({"CONTENT_LENGTH": "65537"}, 413),
    ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
    ({"REQUEST_METHOD": "PUT", "PATH_INFO": "/a b.png"}, 400),
    ({"REQUEST_METHOD": "PUT", "PATH_INFO": "/a.png",
      "CONTENT_LENGTH": "99999999"}, 413),
]


@pytest.mark.parametrize("variables, code", REFUSED_BY_HEAD)
def test_what_the_head_says_is_refused_before_the_body_comes(
        service, grafana, request_records, post, variables, code):
    service.start(workers=1, uploads="on")
    held = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)  # the only worker
    head = b"".join(request_records(**{"CONTENT_LENGTH": "60000",
                                       **variables})[:-2])
    start = time.monotonic()
    with Peer(head) as peer:
        assert status(peer.records()) == code
        assert time.monotonic() - start < 1
        peer.sendall(record(STDIN, b" " * 60000) + record(STDIN))
    grafana.release()
    held[0].join()
    assert held[1][0].status == 200


# Who does not want the answer.

def test_an_answer_that_nobody_takes_costs_nothing(
        empty_store, service, post, request_records):
    """Its socket is open, but whoever writes to it gets EPIPE."""
    service.start(workers=1)
    assert post().status == 200
    before, files = images(), service.files()
    for n in range(8):
        with Peer() as peer:
            peer.shutdown(socket.SHUT_RD)
            peer.sendall(b"".join(request_records("/d/gone?viewPanel=%d" % n)))
            service.record(n + 2)
    next_is_served(post)
    assert len(images()) == len(before) + 8
    until(lambda: service.files() <= files, "descriptors come back", 10)


def test_peers_that_close_before_their_answer_cost_nothing(
        service, post, fastcgi_request):
    service.start(workers=4)
    assert post().status == 200
    files = service.files()
    for _ in range(200):
        Peer(fastcgi_request(b"{}")).close()
    next_is_served(post)
    until(lambda: service.files() <= files + 2 * 4, "descriptors come back", 10)
