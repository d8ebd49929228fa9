"""The shipped configurations of every web server.

The first half is what they do by themselves: what is served, what is refused, and
what a caller is told when nobody is behind the socket. In the second half the
program is behind them, as a responder or started by the server itself.
"""

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import zlib

import pytest

import webservers

DAY = "2026-01-02"
DIGEST = "a" * 63 + "1"
OLD = "0123456789abcdef" * 2
IMAGES = ["%s/%s.png" % (DAY, DIGEST), "uploads/Grafana_made-it.png",
          "uploads/%s.png" % ("N" * 64), OLD + ".png"]
HEADERS = {
    "Content-Type": "image/png",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
    "X-Robots-Tag": "noindex, nofollow, noimageindex",
    "Referrer-Policy": "no-referrer",
}
CACHE = "public, max-age=86400, immutable"
REFUSED = (400, 403, 404, 405)
NEIGHBOUR = "127.0.0.3"  # allowed to save
MONITOR = "127.0.0.4"  # allowed to ask for health and metrics
STRANGER = "127.0.0.2"
SECRET = b"this must never be served"
JSON_ACCEPTS = ["application/json", "application/problem+json",
                "text/html, Application/JSON;q=0.5, */*;q=0.1"]
TEXT_ACCEPTS = [None, "*/*", "text/plain", "application/jsonlines"]


def png(width=3, height=2):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(
            ">I", zlib.crc32(body))
    raw = (b"\0" + b"\x10\x80\xf0" * width) * height
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


IMAGE = png(64, 48)


def new_store(responder, owner):
    """An empty one, whoever had it before."""
    responder.stop()
    shutil.rmtree(webservers.STORE, ignore_errors=True)
    os.makedirs(webservers.STORE, 0o711)
    shutil.chown(webservers.STORE, owner, owner)
    return webservers.STORE


def no_store(responder):
    """So that the next who needs one makes it."""
    responder.stop()
    shutil.rmtree(webservers.STORE, ignore_errors=True)


@pytest.fixture(scope="module")
def store(responder):
    """The three kinds of images, and beside them all that must stay hidden."""
    top = new_store(responder, "root")

    def put(name, data=SECRET):
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o644)

    for name in IMAGES:
        put(name, IMAGE)
    put("%s/%s.png" % (DAY, "b" * 64), b"<script>alert(1)</script>")
    for name in ["secret", "index.html", "secret.png", "0123.png", ".state/key",
                 ".state/" + OLD + ".png", "A" * 32 + ".png", DIGEST + ".png",
                 DAY + "/index.html", DAY + "/" + OLD + ".png",
                 DAY + "/.partial-1", DAY + "/.%s.png" % DIGEST,
                 DAY + "/%s.png.tmp" % DIGEST, DAY + "/%s.svg" % DIGEST,
                 DAY + "/%s" % DIGEST, DAY + "/%s.PNG" % DIGEST,
                 DAY + "/%s.png.html" % DIGEST, DAY + "/%s.png" % ("A" * 64),
                 DAY + "/%s.png" % ("a" * 63), DAY + "/%s.png" % ("a" * 65),
                 DAY + "/%s.png\n" % DIGEST, DAY + "/%s.png " % DIGEST,
                 DAY + "/sub/%s.png" % DIGEST, "2026-1-2/%s.png" % DIGEST,
                 "x2026-01-02/%s.png" % DIGEST, "other/%s.png" % DIGEST,
                 "uploads/%s.png" % ("N" * 65), "uploads/.hidden.png",
                 "uploads/.png", "uploads/a.b.png", "uploads/a b.png",
                 "uploads/sub/x.png", "uploads/page.html", "uploads/x.svg",
                 "uploads/h\u00e9.png"]:
        put(name)
    os.makedirs(os.path.join(top, DAY, "d" * 64 + ".png"))
    os.mkfifo(os.path.join(top, DAY, "f" * 64 + ".png"))
    os.symlink("/etc/passwd", os.path.join(top, DAY, "e" * 64 + ".png"))
    os.symlink("/etc/passwd", os.path.join(top, "uploads", "link.png"))
    os.symlink("/etc/passwd", os.path.join(top, "e" * 32 + ".png"))
    os.symlink(DAY, os.path.join(top, "2026-01-03"))
    for folder, _, _ in os.walk(top):
        os.chmod(folder, 0o711)
    os.chmod(os.path.join(top, DAY, "d" * 64 + ".png"), 0o755)
    yield top
    no_store(responder)


def every(servers):
    return [pytest.param(s, id=s.name,
                         marks=[] if s.available() else
                         pytest.mark.skip(reason=s.name + " is not installed"))
            for s in servers]


@pytest.fixture(scope="module", params=every(webservers.ALL))
def server(request, store):
    """A server with nobody behind it."""
    with request.param(allow=[NEIGHBOUR], program="/nonexistent/grafana-images") as s:
        yield s


def target(name):
    return "/saved-images/" + name


def is_json_error(answer, status, word):
    assert answer.status in status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["outcome"] == word
    assert problem["status"] == answer.status
    assert problem["title"] and problem["detail"]
    return True


def is_text_error(answer, status, word):
    assert answer.status in status
    assert answer.headers.get_content_type() == "text/plain"
    text = answer.body.decode()
    assert text.split(":")[0] == word
    assert len(text.splitlines()) == 1 and len(text) > len(word) + 20
    return True


def check_both_shapes(ask, status, word):
    """ask takes headers. The server's own error comes in the shape asked for."""
    for accepts, check in ((TEXT_ACCEPTS, is_text_error),
                           (JSON_ACCEPTS, is_json_error)):
        for accept in accepts:
            answer = ask({"Accept": accept} if accept else {})
            assert check(answer, status, word)
            # No cache keeps a 413 by itself.
            assert answer.headers.get_all("Cache-Control") == ["no-store"] \
                or answer.status == 413
    return answer


# ---- Images


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_served_as_it_is(server, name):
    answer = server.ask(target(name))
    assert answer.status == 200
    assert answer.body == IMAGE
    for header, value in HEADERS.items():
        assert answer.headers.get_all(header) == [value], header
    assert answer.headers.get_all("Cache-Control") == [CACHE]
    assert answer.headers["ETag"]
    assert answer.headers["Last-Modified"]
    assert "Vary" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_bytes_that_are_a_page_are_still_called_an_image(server):
    answer = server.ask(target("%s/%s.png" % (DAY, "b" * 64)))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_query_string_changes_nothing(server):
    answer = server.ask(target(IMAGES[0]) + "?v=1&x=..%2f")
    assert (answer.status, answer.body) == (200, IMAGE)


def test_head_is_get_without_the_bytes(server):
    got = server.ask(target(IMAGES[0]))
    head = server.ask(target(IMAGES[0]), "HEAD")
    assert (head.status, head.body) == (200, b"")
    for header in list(HEADERS) + ["Cache-Control", "Content-Length", "ETag"]:
        assert head.headers[header] == got.headers[header]


def test_an_image_that_the_client_has_is_304(server):
    got = server.ask(target(IMAGES[0]))
    for header, value in [("If-None-Match", got.headers["ETag"]),
                          ("If-Modified-Since", got.headers["Last-Modified"])]:
        answer = server.ask(target(IMAGES[0]), headers={header: value})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["Cache-Control"] == CACHE
        assert answer.headers["ETag"] == got.headers["ETag"]
    answer = server.ask(target(IMAGES[0]), headers={"If-None-Match": '"other"'})
    assert (answer.status, answer.body) == (200, IMAGE)


def test_a_part_of_an_image_can_be_asked_for(server):
    answer = server.ask(target(IMAGES[0]), headers={"Range": "bytes=4-9"})
    assert (answer.status, answer.body) == (206, IMAGE[4:10])
    assert answer.headers["Content-Range"] == "bytes 4-9/%d" % len(IMAGE)
    assert answer.headers["Cache-Control"] == CACHE
    for header, value in HEADERS.items():
        assert answer.headers[header] == value
    answer = server.ask(target(IMAGES[0]), headers={"Range": "bytes=999999-"})
    assert answer.status == 416


def test_an_image_that_is_removed_is_gone_at_once(server, store):
    name = "%s/%s.png" % (DAY, "9" * 64)
    path = os.path.join(store, name)
    shutil.copy(os.path.join(store, IMAGES[0]), path)
    assert server.ask(target(name)).status == 200
    os.unlink(path)
    assert server.ask(target(name)).status in (403, 404)


def test_no_cache_keeps_an_answer_that_there_is_no_image(server):
    if server.caches_what_is_not_there:
        pytest.skip(server.name + " cannot tell by status")
    answer = server.ask(target("%s/%s.png" % (DAY, "7" * 64)))
    assert answer.status == 404
    assert "max-age" not in answer.headers.get("Cache-Control", "")
    assert "Expires" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS",
                                    "TRACE", "PROPFIND", "MOVE", "MKCOL", "FOO"])
def test_images_are_only_for_reading(server, store, method):
    for name in (IMAGES[0], "uploads/new.png"):
        answer = server.ask(target(name), method, {"Destination": "/saved-images/x"},
                            body=None if method == "TRACE" else b"bytes")
        # 501: the server does not know such a method at all.
        assert answer.status in REFUSED + (501,)
        assert IMAGE not in answer.body
    with open(os.path.join(store, IMAGES[0]), "rb") as f:
        assert f.read() == IMAGE
    assert not os.path.exists(os.path.join(store, "uploads/new.png"))


HOSTILE = [
    # listings, and the folders themselves
    "/saved-images", "/saved-images/", "/saved-images/?C=M", "/saved-images/.",
    "/saved-images/%2e", "/saved-images/" + DAY, "/saved-images/" + DAY + "/",
    "/saved-images/uploads", "/saved-images/uploads/", "/saved-images/.state",
    "/saved-images/.state/", "/saved-images/index.html",
    "/saved-images/" + DAY + "/index.html",
    # the service's own
    "/saved-images/.state/key", "/saved-images/%2estate/key",
    "/saved-images/%2Estate%2fkey", "/saved-images/x/../.state/key",
    "/saved-images//.state/key", "/saved-images/./.state/key",
    "/saved-images/.state/" + OLD + ".png",
    # unfinished files
    "/saved-images/%s/.partial-1" % DAY, "/saved-images/%s/.%s.png" % (DAY, DIGEST),
    "/saved-images/%s/%s.png.tmp" % (DAY, DIGEST),
    # out of the store
    "/saved-images/../secret", "/saved-images/../../../../etc/passwd",
    "/saved-images/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/saved-images/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/saved-images/..%5c..%5cetc%5cpasswd", "/saved-images/..\\..\\etc\\passwd",
    "/saved-images/%252e%252e/%252e%252e/etc/passwd",
    "/saved-images/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "/saved-images/....//....//etc/passwd", "/saved-images../secret",
    "/saved-images/" + DAY + "/../../../../../etc/passwd",
    "/saved-images/uploads/..%2f.state%2fkey",
    "/saved-images/uploads/../.state/key", "/saved-images/uploads/%2e%2e/secret.png",
    "/saved-images/uploads/..%2fsecret.png",
    # names that nearly are one
    "/saved-images/secret", "/saved-images/secret.png", "/saved-images/0123.png",
    "/saved-images/%s.png" % ("A" * 32), "/saved-images/%s.png" % DIGEST,
    "/saved-images/%s/%s.png" % (DAY, OLD), "/saved-images/%s/%s" % (DAY, DIGEST),
    "/saved-images/%s/%s.PNG" % (DAY, DIGEST),
    "/saved-images/%s/%s.svg" % (DAY, DIGEST),
    "/saved-images/%s/%s.png.html" % (DAY, DIGEST),
    "/saved-images/%s/%s.png" % (DAY, "A" * 64),
    "/saved-images/%s/%s.png" % (DAY, "a" * 63),
    "/saved-images/%s/%s.png" % (DAY, "a" * 65),
    "/saved-images/%s/%s.png/" % (DAY, DIGEST),
    "/saved-images/%s/%s.png/x" % (DAY, DIGEST),
    "/saved-images/%s/%s.png/.." % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%0a" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%0A%%0a" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%0d%%0aX-Evil:%%201" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%00" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%00.html" % (DAY, DIGEST),
    "/saved-images/%s/%s.png\0" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%20" % (DAY, DIGEST),
    "/saved-images/%s/%s.png;x" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%3fx" % (DAY, DIGEST),
    "/saved-images/%s/%s.png%%23x" % (DAY, DIGEST),
    "/saved-images/%s/%s.png::$DATA" % (DAY, DIGEST),
    "/saved-images/%0a/{}/{}.png".format(DAY, DIGEST),
    "/saved-images/%s/sub/%s.png" % (DAY, DIGEST),
    "/saved-images/2026-1-2/%s.png" % DIGEST, "/saved-images/other/%s.png" % DIGEST,
    "/saved-images/x%s/%s.png" % (DAY, DIGEST), "/saved-images/*/%s.png" % DIGEST,
    "/saved-images/uploads/%s.png" % ("N" * 65), "/saved-images/uploads/.hidden.png",
    "/saved-images/uploads/.png", "/saved-images/uploads/a.b.png",
    "/saved-images/uploads/a%20b.png", "/saved-images/uploads/sub/x.png",
    "/saved-images/uploads/page.html", "/saved-images/uploads/x.svg",
    "/saved-images/uploads/h%c3%a9.png", "/saved-images/uploads/h\xc3\xa9.png",
    "/SAVED-IMAGES/%s/%s.png" % (DAY, DIGEST), "/x/saved-images/%s.png" % OLD,
    "/saved-imagesx/%s.png" % OLD, "/saved-images%%00/%s.png" % OLD,
    # what is no file
    "/saved-images/%s/%s.png" % (DAY, "d" * 64),
    "/saved-images/%s/%s.png/" % (DAY, "d" * 64),
    "/saved-images/%s/%s.png" % (DAY, "f" * 64),
]


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_nothing_but_an_image_is_served(server, path):
    if "f" * 64 in path and server.blocks_on_fifos:
        pytest.skip(server.name + " opens it before it looks")
    answer = server.ask(path)
    assert answer.status in REFUSED
    assert "Location" not in answer.headers
    assert "X-Evil" not in answer.headers
    for secret in (SECRET, IMAGE, b"root:", DIGEST[:20].encode(), b"index of"):
        assert secret not in answer.body.lower()


@pytest.mark.parametrize("name", ["%s/%s.png" % (DAY, "e" * 64), "uploads/link.png",
                                  "e" * 32 + ".png", "2026-01-03/%s.png" % DIGEST])
def test_a_symbolic_link_is_not_followed(server, name):
    if server.follows_links:
        pytest.skip(server.name + " cannot be told not to")
    answer = server.ask(target(name))
    assert answer.status in REFUSED
    assert b"root:" not in answer.body and IMAGE not in answer.body


@pytest.mark.parametrize("path", [
    "//saved-images/" + IMAGES[0], "/saved-images//" + IMAGES[0],
    "/saved-images/./" + IMAGES[0], "/saved-images/x/../" + IMAGES[0],
    "/saved-images/%2e/" + IMAGES[0], "/%73aved-images/" + IMAGES[0],
    "/saved-images/" + IMAGES[0].replace("/", "%2f"),
    "/saved-images/" + IMAGES[0].replace("/", "//")])
def test_another_spelling_is_that_image_or_nothing(server, path):
    answer = server.ask(path)
    if answer.status == 200:
        assert answer.body == IMAGE
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Security-Policy"]
    else:
        assert answer.status in REFUSED


# ---- Refusals of the server itself


ENDPOINTS = [("POST", "/grafana-images"), ("PUT", "/grafana-images/panel.png")]
STATUS_PATHS = ["/grafana-images/health", "/grafana-images/metrics",
                "/grafana-images?health", "/grafana-images?metrics",
                "/grafana-images?x=1&health"]


def test_without_a_responder_it_says_that_the_service_is_down(server):
    if os.path.exists(webservers.SOCKET):
        os.unlink(webservers.SOCKET)
    status = (502, 503) if server.listens else (404, 500, 503)
    for method, path in ENDPOINTS:
        last = check_both_shapes(
            lambda h: server.ask(path, method, h, b"{}"), status, "down")
        if last.status in (502, 503) and server.retry_after:
            assert int(last.headers["Retry-After"]) > 0


def test_a_socket_that_nobody_answers_is_down_too(server):
    if not server.listens:
        pytest.skip(server.name + " uses no socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(webservers.SOCKET)
    try:
        os.chmod(webservers.SOCKET, 0o666)
        answer = server.ask("/grafana-images", "POST", body=b"{}")
        assert is_text_error(answer, (502, 503), "down")
    finally:
        os.unlink(webservers.SOCKET)


@pytest.mark.parametrize("method, path", ENDPOINTS)
def test_a_stranger_is_refused(server, method, path):
    check_both_shapes(
        lambda h: server.ask(path, method, h, b"{}", source=STRANGER),
        (403,), "refused-here")


def test_an_address_on_the_list_may_ask(server):
    for method, path in ENDPOINTS:
        answer = server.ask(path, method, body=b"{}", source=NEIGHBOUR)
        assert answer.body.startswith(b"down")


@pytest.mark.parametrize("path", STATUS_PATHS)
def test_health_and_metrics_are_for_this_host(server, path):
    for source in (NEIGHBOUR, STRANGER):
        for method in ("GET", "HEAD"):
            answer = server.ask(path, method, source=source)
            assert answer.status == 403
        check_both_shapes(lambda h: server.ask(path, "GET", h, source=source),
                          (403,), "refused-here")
    assert server.ask(path).body.startswith(b"down")


def test_a_large_request_is_refused(server):
    def large(headers):
        return server.ask("/grafana-images", "POST", headers, b"x" * 65537)
    check_both_shapes(large, (413,), "too-large")
    answer = server.ask("/grafana-images", "POST", body=b"x" * 65536)
    assert answer.body.startswith(b"down")


def test_a_large_upload_is_refused_before_it_is_sent(server):
    def large(headers):
        return server.ask("/grafana-images/a.png", "PUT",
                          {"Content-Length": 16777216 + 1, **headers})
    check_both_shapes(large, (413,), "too-large")
    answer = server.ask("/grafana-images/a.png", "PUT", body=b"x" * 16777216)
    assert answer.body.startswith(b"down")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", [
    "/grafana-images/", "/grafana-imagesx", "/grafana-images.png", "/grafana",
    "/grafana-images/a/b.png", "/grafana-images/a.png/", "/grafana-images/a.png/b",
    "/grafana-images/a.png%0a", "/grafana-images%0a", "/grafana-images/health/",
    "/grafana-images/health%0a", "/grafana-images/healthy", "/x/grafana-images",
    "/GRAFANA-IMAGES", "/usr/bin/grafana-images", "/cgi-bin/grafana-images"])
def test_no_other_address_leads_to_the_service(server, path, method):
    answer = server.ask(path, method, body=None if method == "GET" else b"{}")
    assert answer.status in REFUSED + (501,)
    assert "Location" not in answer.headers
    assert not answer.body.startswith(b"down")


# ---- What an administrator does with the files


class Changed:
    """A copy of an installed file, with lines taken out of their comments."""

    def __init__(self, path, *lines):
        self.path = path
        with open(path) as f:
            self.text = f.read()
        for line in lines:
            self.text, count = re.subn(r"^( *)#(?=%s)" % re.escape(line), r"\1",
                                       self.text, flags=re.M)
            assert count, line

    def __enter__(self):
        os.rename(self.path, self.path + ".shipped")
        with open(self.path, "w") as f:
            f.write(self.text)

    def __exit__(self, *exc):
        os.rename(self.path + ".shipped", self.path)


@pytest.mark.parametrize("cls", every([webservers.Nginx]))
def test_the_rate_limit_has_only_to_be_uncommented(cls):
    [snippet] = cls.installed
    with open(snippet) as f:
        zone = re.search(r"limit_req_zone [^;]*;", f.read()).group()
    with Changed(snippet, "limit_req "), cls(http_extra=zone) as server:
        def until_it_is_too_much(headers):
            for _ in range(200):
                answer = server.ask("/grafana-images", "POST", headers, b"{}")
                if answer.status != 502:
                    return answer
        last = check_both_shapes(until_it_is_too_much, (429,), "rate")
        assert int(last.headers["Retry-After"]) > 0


def htpasswd(path):
    with open(path, "w") as f:  # grafana:secret
        f.write("grafana:$apr1$abcdefgh$%s\n" % subprocess.run(
            ["openssl", "passwd", "-apr1", "-salt", "abcdefgh", "secret"],
            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            .rsplit("$", 1)[1])


APACHES = [webservers.ApacheProxyFcgi, webservers.ApacheFcgid, webservers.ApacheCgid]
PASSWORD = {
    webservers.Nginx: ["auth_basic ", "auth_basic_user_file "],
    webservers.Lighttpd: ["auth.", "                         \"require\""],
    webservers.Caddy: ["@grafana_images_password ", "basicauth ", "  grafana ", "}"],
    **{c: ["Require valid-user", "AuthType", "AuthName", "AuthUserFile"]
       for c in APACHES}}
# Without these the list is asked, too.
ALONE = {webservers.Nginx: ["satisfy any;"],
         webservers.Lighttpd: ["url.access-deny = ()"],
         webservers.Caddy: ["not path /grafana-images/*.png"],
         **{c: [] for c in APACHES}}


@contextlib.contextmanager
def asks_for_a_password(cls, *more_lines):
    """grafana:secret, for uploads; what is given can PUT one."""
    folder = os.path.dirname(cls.allow_file or cls.installed[0])
    path = folder + "/grafana-images.htpasswd"
    htpasswd(path)
    changed = Changed(cls.installed[0], *PASSWORD[cls], *more_lines)
    changed.text = changed.text.replace(
        "$2a$14$...", "$2a$04$w7HQbs.dlMEP7gw3nO9zPui4g6XShHFlTRx0quh6jpvq15yA91F6O")
    with changed, cls(program="/nonexistent/x",
                      server_extra=cls.password_modules) as server:
        def put(source, password=None, method="PUT", path="/grafana-images/a.png"):
            credentials = {}
            if password:
                credentials["Authorization"] = "Basic " + base64.b64encode(
                    b"grafana:" + password).decode()
            return server.ask(path, method, credentials, b"x", source=source)
        yield put
    os.unlink(path)


def asks_who_it_is(answer):
    assert is_text_error(answer, (401,), "refused-here")
    return answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("cls", every([webservers.Nginx, webservers.Lighttpd,
                                       webservers.Caddy]))
def test_a_password_for_uploads_can_be_asked_for_beside_the_list(cls):
    with asks_for_a_password(cls) as put:
        for password in (None, b"wrong"):
            assert asks_who_it_is(put("127.0.0.1", password))
        assert put("127.0.0.1", b"secret").body.startswith(b"down")
        assert is_text_error(put(STRANGER, b"secret"), (403,), "refused-here")


@pytest.mark.parametrize("cls", every(PASSWORD))
def test_a_password_lets_an_address_upload_that_is_not_on_the_list(cls):
    with asks_for_a_password(cls, *ALONE[cls]) as put:
        for password in (None, b"wrong"):
            assert asks_who_it_is(put(STRANGER, password))
        # On the list, without a password.
        answer = put("127.0.0.1")
        if cls in (webservers.Lighttpd, webservers.Caddy):
            assert asks_who_it_is(answer)
        else:
            assert answer.body.startswith(b"down")
        assert put(STRANGER, b"secret").body.startswith(b"down")
        # It is for uploads: who may save a panel is the list's to say.
        answer = put(STRANGER, b"secret", "POST", "/grafana-images")
        assert is_text_error(answer, (403,), "refused-here")
        answer = put("127.0.0.1", None, "POST", "/grafana-images")
        assert answer.body.startswith(b"down")


@pytest.mark.parametrize("cls", every(webservers.ALL))
def test_everything_else_may_go_to_grafana(cls, store):
    with cls(program="/nonexistent/x", server_extra=cls.all_else_is_503) as server:
        assert server.ask("/d/some-dashboard").status == 503
        answer = server.ask(target(IMAGES[0]))
        assert (answer.status, answer.body) == (200, IMAGE)
        assert answer.headers["Cache-Control"] == CACHE
        for name in (".state/key", ".state/" + OLD + ".png", DAY + "/x.jpg"):
            assert server.ask(target(name)).status in (403, 404)
        for method, path in ENDPOINTS:
            answer = server.ask(path, method, body=b"{}", source=STRANGER)
            assert is_text_error(answer, (403,), "refused-here")


def test_the_files_for_apache_differ_only_in_who_starts_the_program():
    parts = []
    for cls in (webservers.ApacheProxyFcgi, webservers.ApacheFcgid,
                webservers.ApacheCgid):
        with open(cls.installed[0]) as f:
            text = f.read()
        parts.append(text[text.index("# ---- Who may ask"):])
    assert parts[0] == parts[1] == parts[2]


# ---- With the program behind it


class Behind:
    """A web server and the program behind it. Both go on from test to test, until
    one asks for other settings."""

    def __init__(self, server, responder):
        self.server = server
        self.responder = responder
        self.settings = None
        self.question = json.dumps({"imageUrl": responder.panel}).encode()

    def start(self, **settings):
        if settings == self.settings:
            return
        if self.settings is not None and not self.server.listens:
            self.server.stop(graceful=False)
            self.server.start()
        self.settings = settings
        public_url = self.server.url + "/saved-images"
        if self.server.listens:
            self.responder.start(public_url=public_url, **settings)
        else:
            self.responder.configure(public_url=public_url, **settings)

    def post(self, body, headers=(), credentials=True):
        headers = dict(headers)
        if credentials:
            headers["Authorization"] = "Bearer " + self.responder.token
        return self.server.ask("/grafana-images", "POST", headers, body)


@pytest.fixture(scope="module", params=every(webservers.ALL))
def behind(request, responder):
    with request.param(allow=[NEIGHBOUR], monitors=[MONITOR],
                       program=responder.program) as server:
        no_store(responder)
        if not server.listens:
            new_store(responder, "www-data")
        yield Behind(server, responder)
        no_store(responder)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_panel_is_saved_and_served_by_the_same_server(behind, chunked):
    behind.start(uploads="on")
    body = behind.question
    answer = behind.post([body[:7], body[7:]] if chunked else body)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    address = json.loads(answer.body)["pubImg"]
    assert address.startswith(behind.server.url + "/saved-images/")
    image = behind.server.ask(address[len(behind.server.url):])
    assert image.status == 200
    assert image.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(image.body) == json.loads(answer.body)["bytes"]
    assert image.headers["Cache-Control"] == CACHE


def test_errors_of_the_service_pass_untouched(behind):
    behind.start(uploads="on")

    elsewhere = b'{"imageUrl": "https://elsewhere.example/d-solo/a/b?panelId=1"}'
    for accept, check in [("*/*", is_text_error),
                          ("application/json", is_json_error)]:
        headers = {"Accept": accept}
        answer = behind.post(behind.question, headers, credentials=False)
        assert check(answer, (401,), "no-token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers.get_all("Cache-Control") == ["no-store"]
        # Credentials arrive: what comes next in the order is refused.
        assert check(behind.post(b"no JSON", headers), (400,), "malformed")
        assert check(behind.post(b"", headers), (400,), "malformed")
        assert check(behind.post(elsewhere, headers), (403,), "not-allowed")
        headers["Authorization"] = "Basic dXNlcjpwYXNz"
        answer = behind.post(elsewhere, headers, credentials=False)
        assert check(answer, (403,), "not-allowed")


def test_every_method_reaches_the_service(behind):
    behind.start(uploads="on")
    for method in ("GET", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "FOO"):
        if method == "FOO" and not behind.server.passes_unknown_methods:
            continue
        answer = behind.server.ask("/grafana-images", method)
        assert is_text_error(answer, (405,), "method")
        assert "POST" in answer.headers["Allow"]
    answer = behind.server.ask("/grafana-images", "HEAD")
    assert (answer.status, answer.body) == (405, b"")


def test_a_request_over_64_kib_is_too_large_however_it_is_sent(behind):
    behind.start(uploads="on")
    for body in (b"x" * 65537, [b"x" * 30000] * 3):
        answer = behind.post(body)
        assert is_text_error(answer, (413,), "too-large")


def test_a_request_of_64_kib_arrives_whole(behind):
    behind.start(uploads="on")
    body = behind.question
    body = body[:1] + b" " * (65536 - len(body)) + body[1:]
    for form in (body, [body[:40000], body[40000:]]):
        answer = behind.post(form)
        assert answer.status == 200, answer.body


def test_health_and_metrics_arrive(behind):
    behind.start(uploads="on")
    for path in STATUS_PATHS:
        answer = behind.server.ask(path)
        assert answer.status == 200, answer.body
        for header, value in (("Cache-Control", "no-store"),
                              ("X-Content-Type-Options", "nosniff")):
            assert answer.headers.get_all(header) == [value]
        if "health" in path:
            assert json.loads(answer.body)["status"]
        else:
            assert b"grafana_images_requests_total" in answer.body
        head = behind.server.ask(path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert behind.server.ask(path, source=NEIGHBOUR).status == 403
    # who may upload may not ask there, nor save panels unlimited
    for query in ("health", "metrics"):
        answer = behind.server.ask("/grafana-images/x.png?" + query)
        assert answer.status == 405
    answer = behind.server.ask("/grafana-images/x.png", "POST", body=b"{}",
                               headers={"Authorization": "Bearer x"})
    assert answer.status == 405


def test_who_may_watch_may_not_save(behind):
    """POST to /grafana-images/health is asked with the list of the monitors."""
    behind.start(uploads="on")
    bearer = {"Authorization": "Bearer " + behind.responder.token}
    for path in ("/grafana-images/health", "/grafana-images/metrics"):
        for method, body in (("POST", behind.question), ("PUT", png(5, 5)),
                             ("DELETE", None)):
            for source in ("127.0.0.1", MONITOR):
                answer = behind.server.ask(path, method, bearer, body,
                                           source=source)
                assert is_text_error(answer, (405,), "method")
                assert answer.headers["Allow"] == "GET, HEAD"
            answer = behind.server.ask(path, method, bearer, body, source=NEIGHBOUR)
            assert is_text_error(answer, (403,), "refused-here")
    for method, path in ENDPOINTS:
        answer = behind.server.ask(path, method, bearer, b"x", source=MONITOR)
        assert is_text_error(answer, (403,), "refused-here")


def told(answer):
    """What of the program this answer is: "save" or "watch"; None if it is none."""
    word = answer.body.split(b":")[0]
    if any(text in answer.body for text in (b"grafana_images_build_info",
                                            b'"sandbox"')):
        return "watch"
    if (b"pubImg" in answer.body or word in (b"no-token", b"not-a-png", b"exists")
            or word == b"malformed" and b"The web server" not in answer.body):
        return "save"
    return "method" if word == b"method" else None


BEFORE = ["/", "//", "/./", "/x/../", "/%2e/", "/x/%2e%2e/", "/%2f", "/;/", "/%5c",
          "http://127.0.0.1/", "HTTP://other//", "/saved-images/../",
          "/saved-images/..%2f", "/grafana-images/health/../../"]
SPELLINGS = [
    "", "/", "//", "?health", "?x&metrics=1", "?%6detrics", "/?metrics", "//?health",
    "/.?health", "/health", "/metrics", "//health", "/./metrics", "/x/../metrics",
    "/%6detrics", "/%6Detrics", "%2fmetrics", "%2Fhealth", "/metrics%0a",
    "/metrics%00", "/metrics/", "/metrics/.", "/metrics;x", ";x/metrics",
    "/metrics?a.png", "/%2e/metrics", "/%2E/metrics", "/x/%2e%2e/metrics",
    "/x%2f..%2fmetrics", "/%252e/metrics", "%3fmetrics", "/metrics%3fa.png",
    "/METRICS", "/a.png", "//a.png", "/./a.png", "/%2e/a.png", "/%2E/a.png",
    "/a%2epng", "/a%2Epng", "/%61.png", "/x/../a.png", "/a.png%0a", "/a.png;x",
    "/a.png/metrics", "/metrics/a.png", "/metrics%2fa.png", "/a.png%2fmetrics",
    "/a.png/../metrics", "/metrics/../a.png", "/health/..", "/health/../",
    "/health/%2e%2e", "/a.png?metrics", "/.png", "/health/../health"]


@pytest.mark.parametrize("source, never", [
    (STRANGER, ("save", "watch", "method")), (NEIGHBOUR, ("watch",)),
    (MONITOR, ("save",))], ids=["stranger", "saves", "watches"])
def test_no_spelling_of_an_address_leads_past_the_lists(behind, source, never):
    behind.start(uploads="on")
    asked = 0
    places = ["/", "//"] if behind.server.process_a_request else BEFORE
    for before, after in itertools.product(places, SPELLINGS):
        for name in ("grafana-images", "grafana%2dimages", "Grafana-Images"):
            if name != "grafana-images" and before != "/":
                continue
            for method in ("GET", "POST", "PUT"):
                path = before + name + after
                answer = behind.server.ask(path, method, source=source,
                                           body=None if method == "GET" else b"x")
                assert told(answer) not in never, (method, path, answer)
                asked += told(answer) is not None
    assert bool(asked) == (source != STRANGER)


def test_an_upload_is_kept_and_served(behind):
    behind.start(uploads="on")
    image = png(11, 7)
    answer = behind.server.ask("/grafana-images/Panel_1-a.png", "PUT",
                        {"Content-Type": "image/png"}, image)
    assert answer.status == 201, answer.body
    address = json.loads(answer.body)["pubImg"]
    assert address == behind.server.url + "/saved-images/uploads/Panel_1-a.png"
    assert behind.server.ask("/saved-images/uploads/Panel_1-a.png").body == image
    for name in ("a.b.png", "x" * 65 + ".png"):
        answer = behind.server.ask("/grafana-images/" + name, "PUT", body=image)
        assert is_text_error(answer, (400,), "malformed")
    answer = behind.server.ask("/grafana-images/c.png", "PUT", body=image, source=STRANGER)
    assert is_text_error(answer, (403,), "refused-here")


def test_uploads_are_off_until_they_are_turned_on(behind):
    behind.start()
    answer = behind.server.ask("/grafana-images/Panel.png", "PUT", body=png())
    assert is_text_error(answer, (405,), "method")


def test_a_client_that_breaks_off_leaves_nothing(behind):
    behind.start(uploads="on")
    image = png(13, 9)
    with behind.server.connect() as s:
        s.sendall(b"PUT /grafana-images/half.png HTTP/1.1\r\nHost: x\r\n"
                  b"Content-Length: %d\r\n\r\n" % (len(image) + 1) + image)
        s.shutdown(socket.SHUT_WR)
        while s.recv(4096):
            pass
    assert behind.server.ask("/saved-images/uploads/half.png").status in (403, 404)
    assert not os.path.exists(os.path.join(webservers.STORE, "uploads/half.png"))
