"""Restarts that nobody notices: the socket is held by a parent.

RESTART_SECONDS=20 is the long form."""

import grp
import os
import socket
import subprocess
import threading
import time

import pytest

import webservers
from service import SOCKET, is_ready, until
from test_tcp import as_user

CLIENTS = 16
SECONDS = int(os.environ.get("RESTART_SECONDS", "4"))


@pytest.fixture(params=[webservers.Nginx, webservers.ApacheProxyFcgi],
                ids=lambda s: s.name)
def server(request):
    if not request.param.available():
        pytest.skip(request.param.name + " is not installed")
    with request.param() as s:
        yield s


class Parent:
    """Holds the socket, as systemd does, and starts the program again."""

    def __init__(self, service):
        self.service = service
        if os.path.lexists(SOCKET):
            os.unlink(SOCKET)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(SOCKET)
        if as_user():
            os.chown(SOCKET, 0, grp.getgrnam("www-data").gr_gid)
        os.chmod(SOCKET, 0o660)
        self.socket.listen(4096)
        self.process = None

    def start(self):
        with open(self.service.log_path, "a") as log:
            self.process = subprocess.Popen(
                [*as_user(), self.service.program], stdin=self.socket,
                stdout=log, stderr=log)

    def stop(self):
        """Told to stop as soon as it can be told, it finishes."""
        until(lambda: self.process.poll() is not None or
              is_ready(self.process.pid), "it has taken the signals")
        self.process.terminate()
        assert self.process.wait(90) == 0, self.service.text()

    def close(self):
        self.socket.close()
        os.unlink(SOCKET)


def test_no_request_notices_a_restart_every_second(service, post, server):
    service.stop()
    service.configure()
    service.begin()
    parent = Parent(service)
    over = threading.Event()
    answers = []

    def client(i):
        n = 0
        while not over.is_set():
            n += 1
            began = time.monotonic()
            answer = post("/d/client-%d?viewPanel=%d" % (i, n), server=server)
            answers.append((answer.status, time.monotonic() - began,
                            answer.body if answer.status != 200 else b""))

    clients = [threading.Thread(target=client, args=(i,))
               for i in range(CLIENTS)]
    restarts = 0
    try:
        parent.start()
        for thread in clients:
            thread.start()
        # a restart every second is what is being tested; one that takes longer
        # is followed by the next
        begin = time.monotonic()
        for second in range(1, SECONDS + 1):
            over.wait(max(0, begin + second - time.monotonic()))
            parent.stop()
            parent.start()
            restarts += 1
    finally:
        over.set()
        for thread in clients:
            thread.join()
        parent.stop()
        parent.close()
    failed = [a for a in answers if a[0] != 200]
    print("%s: %.0f s, %d restarts, %d requests, %d failed, slowest %.2f s" % (
        server.name, time.monotonic() - begin, restarts, len(answers), len(failed),
        max(a[1] for a in answers)))
    assert failed == []
    assert len(answers) >= CLIENTS
    assert "Sanitizer" not in service.text()
