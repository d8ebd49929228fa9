# SPDX-License-Identifier: Apache-2.0
"""A small, strict object store: every request is verified by sigv4.py.

    with ObjectStore(region="eu-central-1") as store:
        store.script.append(answer(503, "SlowDown"))   # for the next request
        ...
        assert store.objects["images/2026-11-24/….png"].body

Reading without credentials is allowed, as a bucket policy would. It keeps in
store.trouble whatever was not signed as it should be.
"""

import collections
import datetime
import hashlib
import http.server
import socket
import ssl
import threading

import sigv4

ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
BUCKET = "images"
SHOWN = ["Content-Type", "Cache-Control", "Set-Cookie"]

Object = collections.namedtuple("Object", "body headers")
Request = collections.namedtuple("Request", "method target headers connection")


# What may be done with one request instead of what it asks for.

def answer(status, code=None, body=None, headers=()):
    """Say that, and nothing is kept."""
    def do(handler):
        handler.say(status, xml(code) if body is None else body, headers)
    return do


def lose(handler):
    """Keep it, and break the connection before the answer."""
    handler.keep()
    handler.cut()


def cut(handler):
    """Break the connection before the answer."""
    handler.cut()


def hang(handler):
    """Never answer."""
    handler.server.owner.released.wait()
    handler.cut()


def part_company(handler):
    """Do as asked, and close the connection without having said so."""
    handler.serve()
    handler.cut()


def half(handler):
    """Break in the middle of the answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 9\r\n"
                        b"\r\nab")
    handler.cut()


def etag(body):
    return '"%s"' % hashlib.md5(body).hexdigest()


def xml(code):
    return ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code>"
            "<Message>m</Message></Error>" % code).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    @property
    def owner(self):
        return self.server.owner

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def say(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def name(self):
        """The object's name with the bucket's before it, in either style."""
        host = self.headers["Host"].split(":")[0]
        path = self.path.split("?")[0][1:]
        if self.owner.virtual:
            bucket, _, domain = host.partition(".")
            if domain != self.owner.virtual:
                raise sigv4.Refused(404, "NoSuchBucket", host)
            path = bucket + "/" + path
        if path.partition("/")[0] != BUCKET:
            raise sigv4.Refused(404, "NoSuchBucket", path)
        return path

    def keep(self):
        self.owner.objects[self.name()] = Object(self.body, self.headers)

    def serve(self):
        name = self.name()
        if self.command == "PUT" and name in self.owner.objects and (
                self.headers["If-None-Match"] == "*"):
            self.say(412, xml("PreconditionFailed"))
        elif self.command == "PUT":
            self.keep()
            self.say(200, headers=[("ETag", etag(self.body))])
        elif self.command == "DELETE":
            self.owner.objects.pop(name, None)
            self.say(204)
        elif self.command == "HEAD" and name.rstrip("/") == BUCKET:
            self.say(200)
        elif name not in self.owner.objects:
            self.say(404, xml("NoSuchKey"))
        else:
            found = self.owner.objects[name]
            self.say(200, found.body, [
                (n, found.headers[n]) for n in SHOWN if n in found.headers] + [
                ("ETag", etag(found.body)), ("x-amz-request-id", "1")])

    def handle_any(self):
        size = int(self.headers["Content-Length"] or 0)
        self.body = self.rfile.read(size)
        if len(self.body) < size:
            self.cut()  # the client broke off
            return
        owner = self.owner
        owner.requests.append(Request(self.command, self.path, self.headers,
                                      self.client_address))
        try:
            if "Transfer-Encoding" in self.headers:
                raise sigv4.Refused(411, "MissingContentLength")
            if self.command == "PUT" or "Authorization" in self.headers:
                sigv4.verify(self.command, self.path, self.headers.items(),
                             self.body, owner.keys, owner.region, owner.now(),
                             owner.tokens)
            do = owner.script.popleft() if owner.script else Handler.serve
            do(self)
        except sigv4.Refused as refused:
            owner.trouble.append(refused)
            self.say(refused.status, xml(refused.code))

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # who closes early is no error of ours


class ObjectStore:
    def __init__(self, region="us-east-1", virtual=None, tokens=None, tls=None):
        """virtual: the domain below which each bucket has a host. tls: a file
        with a key and a certificate."""
        self.region = region
        self.virtual = virtual
        self.keys = {ID: SECRET}
        self.tokens = tokens
        self.tls = tls
        self.off_by = datetime.timedelta()
        self.reset()

    def reset(self):
        self.objects = {}
        self.requests = []
        self.trouble = []
        self.script = collections.deque()
        self.released = threading.Event()

    def now(self):
        return datetime.datetime.utcnow() + self.off_by

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.owner = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls)
            self.server.socket = context.wrap_socket(self.server.socket,
                                                     server_side=True)
        self.port = self.server.server_address[1]
        self.url = "%s://%s:%d" % ("https" if self.tls else "http",
                                   self.virtual or "127.0.0.1", self.port)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def connections(self):
        return len({r.connection for r in self.requests})
