"""The responder's life: stopping, stalled peers, clients that go away, limits."""

import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

from conftest import PANEL
from service import PROGRAM, SOCKET, images, is_ready, until


def in_background(ask):
    box = []
    thread = threading.Thread(target=lambda: box.append(ask()))
    thread.start()
    return thread, box


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_told_to_stop_it_finishes_what_is_in_flight(
        service, post, grafana, sign):
    service.start()
    thread, box = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)
    os.kill(service.pid, getattr(signal, sign))
    grafana.release()
    thread.join()
    assert box[0].status == 200
    assert service.process.wait(20) == 0
    service.process = None


def test_idle_it_stops_at_once_whatever_the_number_of_workers(service):
    service.start(workers=300)
    service.stop()


def test_a_client_that_goes_away_ends_the_render(running, nginx, grafana):
    s = nginx.connect()
    body = ('{"imageUrl": "%s&var-manner=hold"}' % running.panel).encode()
    s.sendall(b"POST /grafana-images HTTP/1.1\r\nHost: x\r\n"
              b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (
                  running.token.encode(), len(body), body))
    grafana.wait(held=1)
    s.close()
    grafana.wait(aborted=1)
    assert running.record()["outcome"] == "slow"


STALLS = {
    "says nothing": b"",
    "sends half a header": b"\x01\x01\x00",
    "sends half the parameters":
        b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        b"\x01\x04\x00\x01\x00\x20\x00\x00\x0e\x04REQUE",
    "sends nonsense": b"GET / HTTP/1.1\r\n\r\n",
}


def test_peers_that_stall_give_up_their_workers(service, post, grafana):
    # one credential has three quarters of them
    service.start(workers=len(STALLS) * 4 // 3 + 1)
    peers = []
    for start in STALLS.values():
        peers.append(socket.socket(socket.AF_UNIX))
        peers[-1].connect(SOCKET)
        peers[-1].sendall(start)
    threads = [in_background(lambda n=n: post(
        "/d/uid?viewPanel=%d" % n, manner="hold"))
        for n in range(len(STALLS))]
    grafana.wait(held=len(STALLS))
    grafana.release()
    for thread, _ in threads:
        thread.join()
    assert [box[0].status for _, box in threads] == [200] * len(STALLS)
    for peer in peers:
        peer.close()


def test_a_peer_that_does_not_read_its_answer_gives_up_its_worker(
        service, post, fastcgi_request):
    service.start(workers=1)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(SOCKET)
        s.sendall(fastcgi_request(b"{}"))
        assert post().status == 200


def test_a_connection_that_a_server_would_keep_is_closed(
        service, post, fastcgi_request):
    service.start(workers=1)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(SOCKET)
        s.sendall(fastcgi_request(b"{}", keep=True))
        s.settimeout(20)
        while s.recv(65536):
            pass
        assert post().status == 200


def test_without_descriptors_it_waits_for_some(service, post):
    # a leak checker cannot look while strace does
    service.start(workers=2, environment={"ASAN_OPTIONS": "detect_leaks=0"},
                  below=(
                      "/usr/bin/strace", "-f", "-o", os.devnull, "-e",
                      "trace=accept4", "-e",
                      "inject=accept4:error=EMFILE:when=1..3"))
    for _ in range(4):
        assert post().status == 200


def test_too_few_descriptors_for_the_workers_are_said_at_start(service):
    service.stop()
    service.configure(workers=100)
    out = subprocess.run(
        ["spawn-fcgi", "-n", "-s", SOCKET, "--", PROGRAM],
        capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (256, 256)))
    assert out.returncode == 78
    assert "workers = 100 needs 514 open files" in out.stderr


def test_several_processes_share_one_socket_and_one_store(service, post):
    service.stop()
    service.configure(workers=4)
    with open(service.log_path, "a") as log:
        parent = socket.socket(socket.AF_UNIX)
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        parent.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        parent.listen(1024)
        children = [subprocess.Popen([PROGRAM], stdin=parent, stderr=log)
                    for _ in range(4)]
        try:
            for child in children:
                until(lambda: is_ready(child.pid), "it listens")
            threads = [in_background(post) for _ in range(24)]
            for thread, _ in threads:
                thread.join()
            assert {box[0].status for _, box in threads} == {200}
        finally:
            for child in children:
                child.terminate()
            codes = [child.wait(20) for child in children]
            parent.close()
    assert codes == [0] * 4
    who = {r["who"] for r in service.records()}
    assert len(service.records()) == 24 and len(who) == 1


# A pipe with room for a page, which is kept open and never read.
UNREAD = """
import fcntl, os, sys
ours, theirs = os.pipe()
fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
os.set_inheritable(ours, True)
os.dup2(theirs, 2)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_log_that_nobody_reads_any_more_stops_nobody(service, post):
    service.start(below=("/usr/bin/python3", "-c", UNREAD))
    for n in range(40):
        assert post("/d/unread?viewPanel=%d" % n).status == 200
    service.stop()


def test_killed_it_leaves_only_whole_images(service, post, grafana):
    service.start()
    before = images()
    thread, box = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    service.process = None
    thread.join()
    assert box[0].status == 502
    assert images() == before
