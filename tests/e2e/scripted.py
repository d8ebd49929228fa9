# SPDX-License-Identifier: Apache-2.0
"""A server that does with each request what a test says, on kept connections,
plain or over TLS.

    def do(peer):
        peer.answer(png(1))
        if peer.number == 1:
            peer.reset()            # at the first request of each connection

    with Scripted(do) as server:
        ask(server.url + ...)
        assert server.connections == 1
"""

import contextlib
import fcntl
import socket
import ssl
import struct
import termios
import threading
import zlib

from service import until

SIOCOUTQ = termios.TIOCOUTQ


def png(shade):
    """A small picture of one shade."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    rows = (b"\0" + bytes([shade]) * 16) * 16
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Peer:
    """A connection, and the request that has come on it."""

    def __init__(self, server, raw, sock):
        self.server, self.raw, self.sock = server, raw, sock
        self.number = 0  # of the request on this connection, from 1
        self.method = self.target = None
        self.headers = {}
        self.open = True

    def read(self):
        """False at the end of the connection."""
        data = b""
        if not self.server.lines:
            return bool(self.sock.recv(65536))
        while b"\r\n\r\n" not in data:
            chunk = self.sock.recv(65536)
            if not chunk:
                return False
            data += chunk
        lines = data.decode().split("\r\n")
        self.method, self.target = lines[0].split()[:2]
        self.headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        self.number += 1
        return True

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, body=b"", status="200 OK", headers=()):
        head = "".join("%s: %s\r\n" % h for h in headers)
        self.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
            status.encode(), len(body), head.encode(), body))

    def close(self):
        """An orderly end; over TLS with a close_notify."""
        self.open = False
        if self.sock is not self.raw:
            with contextlib.suppress(OSError):
                self.sock.settimeout(0)
                self.sock.unwrap()
        self.raw_close()

    def raw_close(self):
        """The end of the TCP connection alone."""
        self.open = False
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def reset(self):
        """An RST."""
        self.open = False
        socket.socket.setsockopt(self.sock, socket.SOL_SOCKET,
                                 socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def delivered(self):
        """All that was sent lies at the other side."""
        def empty():
            left = fcntl.ioctl(self.sock.fileno(), SIOCOUTQ, b"\0" * 4)
            return left == b"\0" * 4
        until(empty, "the other side has taken all bytes")


class Scripted:
    def __init__(self, do, context=None, host="127.0.0.1", lines=True):
        """lines: what comes is HTTP, and not any first bytes."""
        self.do, self.context, self.host = do, context, host
        self.lines = lines
        self.requests = []  # (connection, its number there, method, target)
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = "%s://%s:%d" % ("https" if context else "http", host,
                                   self.port)
        self.peers = []

    def __enter__(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for peer in self.peers:
            peer.raw_close()

    def accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(raw, self.connections),
                             daemon=True).start()

    def serve(self, raw, connection):
        try:
            sock = raw if self.context is None else \
                self.context.wrap_socket(raw, server_side=True)
            peer = Peer(self, raw, sock)
            self.peers.append(peer)
            while peer.open and peer.read():
                self.requests.append((connection, peer.number, peer.method,
                                      peer.target))
                self.do(peer)
        except (OSError, ssl.SSLError):
            pass
        finally:
            with contextlib.suppress(OSError, UnboundLocalError):
                sock.close()
            raw.close()
