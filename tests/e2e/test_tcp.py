"""FastCGI over TCP: only the web servers on the list are heard.

The sockets are made in a network of their own, in which every address is at
hand; a socket stays in its network whoever uses it."""

import ctypes
import os
import socket
import subprocess
import threading

import pytest

from service import SECONDS, is_ready, program_below, until, user_of_its_own

WEB, SIX, STRANGER = "192.0.2.7", "2001:db8::7", "192.0.2.66"
CLONE_NEWNET = 0x40000000


class Network:
    """One machine's own, with a listener on all its addresses."""

    def __init__(self):
        thread = threading.Thread(target=self.make)
        thread.start()
        thread.join()
        assert self.sockets, "no network could be made"

    def make(self):
        self.sockets = []
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            return
        for command in (["link", "set", "lo", "up"],
                        ["addr", "add", WEB + "/32", "dev", "lo"],
                        ["addr", "add", STRANGER + "/32", "dev", "lo"],
                        ["addr", "add", SIX + "/128", "dev", "lo", "nodad"]):
            subprocess.run(["ip", *command], check=True)
        self.listener = socket.socket(socket.AF_INET6)
        self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.listener.bind(("::", 0))
        self.listener.listen(128)
        self.four = socket.socket(socket.AF_INET)
        self.four.bind(("0.0.0.0", 0))
        self.four.listen(128)
        self.sockets = {family: [socket.socket(family) for _ in range(60)]
                        for family in (socket.AF_INET, socket.AF_INET6)}

    def connect(self, listener, source):
        """A connection from an address to itself."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        s = self.sockets[family].pop()
        s.settimeout(SECONDS)
        s.bind((source, 0))
        s.connect((source, listener.getsockname()[1]))
        return s

    def close(self):
        self.listener.close()
        self.four.close()
        for s in self.sockets[socket.AF_INET] + self.sockets[socket.AF_INET6]:
            s.close()


@pytest.fixture
def network():
    network = Network()
    yield network
    network.close()


@pytest.fixture
def over_tcp(service):
    """over_tcp(listener, "addresses"): the program behind that listener."""
    service.stop()
    service.configure()
    started = []

    def start(listener, addresses=None):
        environment = dict(os.environ)
        environment.pop("FCGI_WEB_SERVER_ADDRS", None)
        if addresses is not None:
            environment["FCGI_WEB_SERVER_ADDRS"] = addresses
        with open(service.log_path, "a") as log:
            process = subprocess.Popen(
                [*as_user(), service.program], stdin=listener, stderr=log,
                env=environment)
        started.append(process)
        until(lambda: process.poll() is not None or is_ready(process.pid),
              "it listens")
        return process
    yield start
    for process in started:
        if process.poll() is None:
            os.kill(program_below(process.pid), 15)
            assert process.wait(90) == 0


def as_user():
    return ["setpriv", "--reuid", "daemon", "--regid", "daemon",
            "--clear-groups", "--"] if user_of_its_own() else []


def is_heard(s, request):
    """Is the request answered, or the connection closed without a word?"""
    data = b""
    with s:
        try:
            s.sendall(request)
            while chunk := s.recv(65536):
                data += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert not data or b"Status: 405 " in data
    return bool(data)


def test_this_machine_is_heard_and_nobody_else(
        network, over_tcp, fastcgi_request):
    request = fastcgi_request(b"", REQUEST_METHOD="GET")
    over_tcp(network.listener)
    for source, heard in (("127.0.0.1", True), ("127.8.9.1", True),
                          ("::1", True), (WEB, False), (SIX, False)):
        s = network.connect(network.listener, source)
        assert is_heard(s, request) == heard, source


def test_so_it_is_over_ipv4(network, over_tcp, fastcgi_request):
    request = fastcgi_request(b"", REQUEST_METHOD="GET")
    over_tcp(network.four, WEB)
    for source, heard in (("127.0.0.1", True), (WEB, True),
                          (STRANGER, False)):
        s = network.connect(network.four, source)
        assert is_heard(s, request) == heard, source


def test_who_is_on_the_list_is_heard_in_both_forms(
        network, over_tcp, fastcgi_request):
    request = fastcgi_request(b"", REQUEST_METHOD="GET")
    over_tcp(network.listener, "%s, %s" % (WEB, SIX))
    for source, heard in ((WEB, True), (SIX, True), ("127.0.0.1", True),
                          (STRANGER, False)):
        s = network.connect(network.listener, source)
        assert is_heard(s, request) == heard, source


def test_a_stranger_is_closed_before_a_word_and_told_of_once(
        network, over_tcp, service, fastcgi_request):
    service.begin()
    over_tcp(network.listener, WEB)
    for _ in range(40):
        with network.connect(network.listener, STRANGER) as s:
            assert s.recv(1) == b""
    assert is_heard(network.connect(network.listener, WEB),
                    fastcgi_request(b"", REQUEST_METHOD="GET"))
    warnings = [line for line in service.text().splitlines()
                if "FCGI_WEB_SERVER_ADDRS" in line]
    assert len(warnings) == 1
    assert "A connection from %s was closed unread" % STRANGER in warnings[0]


@pytest.mark.parametrize("addresses", ["192.0.2.0/24", "web1", "192.0.2.7,"])
def test_a_list_that_is_none_stops_the_start(
        network, over_tcp, service, addresses):
    service.begin()
    process = over_tcp(network.listener, addresses)
    assert process.wait(60) == 78
    assert "FCGI_WEB_SERVER_ADDRS: '" in service.text()


def test_a_unix_socket_needs_no_list(service, post):
    service.start(environment={"FCGI_WEB_SERVER_ADDRS": "192.0.2.7"})
    assert post().status == 200
