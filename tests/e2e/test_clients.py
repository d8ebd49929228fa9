"""The clients: post, the Sensu mutator, and what is built upon them."""

import contextlib
import html
import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

import webservers
from conftest import PANEL, TOKEN
from notify import read_mail
from service import PROGRAM, sanitized, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
EVENTS = ROOT / "tests" / "sensu"
PUBLIC = "https://g.example/saved-images/2026-11-22/0.png"
SAVED = json.dumps({"pubImg": PUBLIC}).encode()
# Starting a sanitized program is slow; a deadline is still one.
SLACK = 8 if sanitized() else 3


def environment(service=None, token=TOKEN, **more):
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **more}
    if service:
        env["GRAFANA_IMAGES_SERVICE"] = service
    if token:
        env["GRAFANA_TOKEN"] = token
    return env


def run(*arguments, input=b"", service=None, token=TOKEN, **more):
    return subprocess.run([PROGRAM, *arguments], input=input,
                          capture_output=True, timeout=60,
                          env=environment(service, token, **more))


def post(*arguments, **kw):
    """(exit code, what it printed, what it complained)"""
    out = run("post", *arguments, **kw)
    assert out.stdout == b"" or out.returncode == 0
    assert out.stderr.count(b"\n") == (0 if out.returncode == 0 else 1)
    return out.returncode, out.stdout.decode(), out.stderr.decode("ascii")


def mutate(event, *arguments, **kw):
    """What the mutator makes of it; it never does anything else."""
    out = run("sensu", *arguments, input=event, **kw)
    assert (out.returncode, out.stderr) == (0, b"")
    return out.stdout


class Stub:
    """An HTTP server that answers every request as told.

    status, headers and body: what; or answer(handler), which does it all.
    """

    def __init__(self, status=200, body=SAVED, headers=(), answer=None,
                 tls=None):
        self.requests = queue.Queue()
        self.over = threading.Event()
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                size = int(self.headers.get("Content-Length") or 0)
                stub.requests.put((self.command, self.path,
                                   dict(self.headers), self.rfile.read(size)))
                self.close_connection = True
                # a client that has had enough is no fault
                with contextlib.suppress(OSError):
                    if answer:
                        answer(self, stub.over)
                        return
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_CONNECT = handle_one

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_):
                pass  # a handshake that the client broke off

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = "%s://127.0.0.1:%d" % ("https" if tls else "http",
                                          self.port)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def next(self, seconds=20):
        return self.requests.get(timeout=seconds)


@pytest.fixture
def endpoint(running, nginx):
    """The real service behind nginx."""
    return nginx.url + "/grafana-images"


# post


def test_post_prints_the_address_and_nothing_else(endpoint, grafana, get):
    code, out, err = post("--service", endpoint, grafana.url + PANEL)
    assert (code, err) == (0, "")
    assert re.fullmatch(r"http://\S+/saved-images/\S+\.png\n", out)
    assert get(out.strip()).body.startswith(b"\x89PNG")


def test_post_takes_the_service_from_the_environment(endpoint, grafana):
    assert post(grafana.url + PANEL, service=endpoint)[0] == 0


def test_post_adds_the_path_to_a_service_without_one():
    with Stub() as stub:
        for url, path in [(stub.url, "/grafana-images"),
                          (stub.url + "/", "/grafana-images"),
                          (stub.url + "/grafana-images", "/grafana-images"),
                          (stub.url + "/other/place", "/other/place")]:
            assert post("--service=" + url, "https://g/d/x") == \
                (0, PUBLIC + "\n", "")
            method, asked, headers, body = stub.next()
            assert (method, asked) == ("POST", path)
            assert json.loads(body) == {"imageUrl": "https://g/d/x"}
            assert headers["Authorization"] == "Bearer " + TOKEN
            assert headers["Content-Type"] == "application/json"
            assert headers["Accept"] == "application/json"


def test_post_passes_the_address_on_as_it_is():
    url = 'https://g/d/x?a="b"\\c&d=é\x01#e'
    with Stub() as stub:
        assert post(url, service=stub.url)[0] == 0
        assert json.loads(stub.next()[3]) == {"imageUrl": url}


def test_the_token_comes_from_a_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("\n glsa_from_the_file_0 \r\n\n")
    with Stub() as stub:
        # named on purpose, so it counts more than the environment
        assert post("--token-file", str(path), "x", service=stub.url)[0] == 0
        assert stub.next()[2]["Authorization"] == "Bearer glsa_from_the_file_0"


@pytest.mark.parametrize("text", [
    "", "\n", "two words", "a\nb", "\"quoted\"", "nul\0", "é",
    "a" * 16385, "a" * 100000])
def test_a_file_that_holds_no_token_is_usage(tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)
    with Stub() as stub:
        code, _, err = post("--token-file", str(path), "x", service=stub.url)
        assert code == 64 and "token" in err
        assert stub.requests.empty()


def test_a_token_cannot_make_a_header_of_its_own():
    with Stub() as stub:
        code, _, err = post("x", service=stub.url, token="a\r\nX-Evil: 1")
        assert code == 64 and "GRAFANA_TOKEN" in err and "Evil" not in err
        assert stub.requests.empty()


@pytest.mark.parametrize("arguments, kw", [
    ([], {}),
    (["x"], {"service": None}),
    (["x"], {"service": ""}),
    (["x"], {"token": None}),
    (["x"], {"token": ""}),
    (["x", "y"], {}),
    (["--nonsense", "x"], {}),
    (["--token", "secret", "x"], {}),
    (["--service"], {}),
    (["x", "--timeout"], {}),
    (["--timeout", "0", "x"], {}),
    (["--timeout", "1.5", "x"], {}),
    (["--timeout", "-1", "x"], {}),
    (["--timeout=", "x"], {}),
    (["--timeout", "999999", "x"], {}),
    (["--token-file", "/nonexistent", "x"], {}),
    (["--token-file", "/", "x"], {}),
    (["--ca-file", "/nonexistent", "x"], {}),
    (["--ca-file", "/dev/zero", "x"], {}),
    (["--ca-file", "/etc/hostname", "x"], {}),
    (["--service", "grafana.example.com", "x"], {}),
    (["--service", "ftp://g.example/", "x"], {}),
    (["--service", "https://user:secret@g.example/", "x"], {}),
    (["--service", "https://g.example/?x", "x"], {}),
    (["--service", "https://g.example/\r\nX: y", "x"], {}),
])
def test_misuse_is_64_and_one_line(arguments, kw):
    code, out, err = post(*arguments, **{"service": "http://127.0.0.1:1", **kw})
    assert (code, out) == (64, "")
    assert err.startswith("grafana-images: ") and "secret" not in err


@pytest.mark.parametrize("arguments, named", [
    (["--token", "secret", "x"], '"--token" is not known'),
    (["--token=secret", "x"], '"--token" is not known'),
    (["-x", "y"], '"-x" is not known'),
    (["--\033[2J", "y"], '"--\\x1b[2J" is not known'),
    (["x", "https://g/d/y?auth_token=secret"],
     '"https://g/d/y" is one too many'),
    (["x", "--timeout"], '"--timeout" lacks its value'),
    (["--timeout", "soon", "x"], "--timeout must be"),
    (["--service", "g.example", "x"],
     "--service is not a service address. It must begin with http"),
    ([], "The address of a panel is missing"),
])
def test_misuse_is_named(arguments, named):
    code, _, err = post(*arguments, service="http://127.0.0.1:1")
    assert code == 64 and named in err and "secret" not in err


def test_what_is_missing_is_named_with_where_it_may_come_from():
    assert "No service address is given. Name it with --service" in post("x")[2]
    assert "GRAFANA_IMAGES_SERVICE is not a service address" in \
        post("x", service="g.example")[2]
    assert "No Grafana token is given" in \
        post("x", service="http://g.example", token=None)[2]


CLIENT_OPTIONS = ["--service", "--token-file", "--timeout", "--ca-file"]


@pytest.mark.parametrize("command, options", [
    ([], [*CLIENT_OPTIONS, "-c", "--dry-run", "--version", "--help"]),
    (["post"], CLIENT_OPTIONS), (["sensu"], CLIENT_OPTIONS),
    (["purge"], ["-c", "--dry-run"]), (["check"], ["-c"]), (["remove"], ["-c"])])
def test_help_and_the_manual_have_every_option(command, options):
    out = run(*command, "--help", token=None)
    assert (out.returncode, out.stderr) == (0, b"")
    text = out.stdout.decode("ascii")
    assert text.startswith("usage: grafana-images")
    manual = (ROOT / "cgi/grafana-images.8").read_text()
    for option in options:
        assert re.search(r"[\s\[]%s\b" % option, text), option
        assert " %s" % option[1:] in manual, option


@pytest.mark.parametrize("arguments, named", [
    (["purge", "--nonsense"], b'"purge" does not take "--nonsense"'),
    (["purge", "--dry-run", "x"], b'"purge" does not take "x"'),
    (["check", "x"], b'"check" does not take "x"'),
    (["remove", "--all"], b'"remove" does not take "--all"'),
    (["remove"], b'"remove" lacks its argument'),
    (["nonsense"], b'"nonsense" is no command')])
def test_misuse_of_the_other_commands_is_named(arguments, named):
    out = run(*arguments)
    assert out.returncode == 64 and named in out.stderr


@pytest.mark.parametrize("status, body", [
    (404, b"404 page not found"), (405, b""), (404, b'{"message":"Not found"}')])
def test_where_something_else_answers_the_service_is_to_be_looked_at(
        status, body):
    with Stub(status, body) as stub:
        code, _, err = post("x", service=stub.url + "/wrong")
    assert code == 65 and err.endswith(
        ". See whether --service is the address of grafana-images, such as "
        "https://grafana.example.com/grafana-images.\n")


def test_the_settings_are_not_read(tmp_path):
    with Stub() as stub:
        for before, after in [(["-c", "/nonexistent"], []),
                              ([], ["-c", "/nonexistent"])]:
            out = run(*before, "post", *after, "x", service=stub.url)
            assert (out.returncode, out.stderr) == (0, b"")


OUTCOMES = {
    "malformed": (400, 65), "too-large": (413, 65), "method": (405, 65),
    "not-found": (404, 65), "no-token": (401, 77), "token-refused": (401, 77),
    "forbidden": (403, 77), "not-allowed": (403, 77),
    "grafana-busy": (503, 75), "busy": (503, 75), "stopping": (503, 75),
    "slow": (504, 75), "store-full": (507, 75), "no-renderer": (502, 69),
    "upstream": (502, 69), "not-a-png": (502, 69), "too-big": (502, 69),
    "exists": (409, 69), "store-failed": (500, 69), "internal": (500, 69)}


@pytest.mark.parametrize("word", OUTCOMES)
@pytest.mark.parametrize("form", ["json", "text"])
def test_each_outcome_has_its_exit_code(word, form):
    status, code = OUTCOMES[word]
    text = "%s: Title. Detail.\n" % word
    body = text if form == "text" else json.dumps({
        "title": "Title", "status": status, "detail": "Detail.",
        "outcome": word})
    with Stub(status, body.encode()) as stub:
        assert post("x", service=stub.url) == \
            (code, "", "grafana-images: " + text)


@pytest.mark.parametrize("status, code", [
    (400, 65), (404, 65), (405, 65), (413, 65), (401, 77), (403, 77),
    (503, 75), (504, 75), (507, 75), (429, 69), (500, 69), (502, 69),
    (418, 69), (201, 69), (204, 69)])
def test_without_a_word_the_status_decides(status, code):
    with Stub(status, b"" if status == 204 else b"<html>\n") as stub:
        assert post("x", service=stub.url)[0] == code


def test_the_real_services_words_have_their_codes(endpoint, grafana):
    def code(panel, token=TOKEN):
        return post(panel, service=endpoint, token=token)[0]
    assert code("not an address") == 65
    assert code("https://other.example/d/x") == 77
    assert code(grafana.url + PANEL, token="glsa_wrong") == 77
    assert code(grafana.url + PANEL + "&var-manner=404") in (65, 69)
    assert code("https://g/" + "a" * 70000) == 65


def test_nginxs_own_words_have_their_codes(running, nginx, service, grafana):
    # nothing is at that address, and then nothing behind it
    assert post("x", service=nginx.url + "/grafana-images/x")[0] == 65
    service.stop()
    code, _, err = post(grafana.url + PANEL, service=nginx.url)
    assert code == 69 and err.startswith("grafana-images: down: ")


# A service that is none


def redirect(to):
    return dict(status=307, body=b"", headers=[("Location", to)])


def hang(handler, over):
    over.wait(60)


def hang_in_the_body(handler, over):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(SAVED)))
    handler.end_headers()
    handler.wfile.write(SAVED[:10])
    handler.wfile.flush()
    over.wait(60)


def drip(handler, over):
    handler.send_response(200)
    handler.end_headers()
    while not over.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def drip_headers(handler, over):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    n = 0
    while not over.wait(0.05):
        n += 1
        handler.wfile.write(b"X-%d: 1\r\n" % n)
        handler.wfile.flush()


def break_off(handler, over):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(SAVED) + 1))
    handler.end_headers()
    handler.wfile.write(SAVED)


def close(handler, over):
    pass


def not_http(handler, over):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def address(text):
    return dict(body=json.dumps({"pubImg": text}).encode())


NONSENSE = {
    "nothing": dict(body=b""),
    "html": dict(body=b"<html><body>Welcome</body></html>"),
    "no json": dict(body=b'{"pubImg":"https://g/1.png"'),
    "no object": dict(body=b'["https://g/1.png"]'),
    "null": dict(body=b"null"),
    "no address": dict(body=b"{}"),
    "a number": dict(body=b'{"pubImg":1}'),
    "html in the address": address("https://g/<img src=x onerror=alert(1)>"),
    "a quote": address('https://g/"onload="x'),
    "an apostrophe": address("https://g/'x"),
    "a backquote": address("https://g/`id`"),
    "a backslash": address("https://g/\\"),
    "a line feed": address("https://g/\nx"),
    "a blank": address("https://g/ x"),
    "a NUL": address("https://g/\0x"),
    "no ASCII": address("https://g/é"),
    "javascript": address("javascript:alert(1)"),
    "too long": address("https://g/" + "a" * 2048),
    "another status": dict(status=201),
    "a redirect": redirect("http://127.0.0.1:1/"),
    "10 MB": dict(body=b'{"pubImg":"https://g/1.png"' + b" " * 10_000_000 +
                  b"}"),
    "an error of 10 MB": dict(status=500, body=b"x" * 10_000_000),
    "500": dict(status=500, body=b"oops"),
    "500 with an address": dict(status=500),
    "broken off": dict(answer=break_off),
    "closed": dict(answer=close),
    "no HTTP": dict(answer=not_http),
}
SLOW = {"hangs": hang, "hangs in the body": hang_in_the_body,
        "drips": drip, "drips headers": drip_headers}
CLASSIC = b'{"client":{},"check":{"graph_image":"https://g/d/x"}}'


@pytest.mark.parametrize("what", NONSENSE)
def test_a_service_that_is_none_is_69_and_the_event_unchanged(what):
    with Stub(**NONSENSE[what]) as stub:
        code, _, err = post("x", service=stub.url)
        assert code == 69
        assert len(err) < 4000
        assert mutate(CLASSIC, service=stub.url) == CLASSIC
        assert stub.requests.qsize() == 2


@pytest.mark.parametrize("what", SLOW)
def test_a_service_that_is_slow_is_given_up_in_time(what):
    with Stub(answer=SLOW[what]) as stub:
        start = time.monotonic()
        code, _, err = post("--timeout", "1", "x", service=stub.url)
        assert code == 69
        assert mutate(CLASSIC, "--timeout", "1", service=stub.url) == CLASSIC
        assert time.monotonic() - start < 2 * (1 + SLACK)


def test_nobody_listening_is_69():
    code, _, err = post("x", service="http://127.0.0.1:1")
    assert code == 69 and "nothing listens at its address" in err
    assert mutate(CLASSIC, service="http://127.0.0.1:1") == CLASSIC


def test_the_wrong_scheme_is_said(ca):
    with Stub() as stub:
        code, _, err = post("x", service=stub.url.replace("http:", "https:"))
        assert code == 69
        assert "speaks no TLS at its address. Begin its address in " \
            "--service with http://" in err
    with Stub(tls=ca.pair("IP:127.0.0.1")) as stub:
        code, _, err = post("x", service=stub.url.replace("https:", "http:"))
        assert code == 69 and "with https://" in err


def test_no_redirect_is_followed():
    with Stub() as elsewhere, Stub(**redirect(elsewhere.url + "/x")) as stub:
        code, _, err = post("x", service=stub.url)
        assert code == 69 and "redirect" in err
        mutate(CLASSIC, service=stub.url)
        assert elsewhere.requests.empty()


def test_no_proxy_is_used():
    with Stub() as proxy, Stub() as stub:
        proxies = {name: proxy.url for name in (
            "http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY",
            "ALL_PROXY")}
        assert post("x", service=stub.url, **proxies)[0] == 0
        assert proxy.requests.empty()


def test_what_the_service_says_is_escaped():
    with Stub(500, "\x1b[2J\x07 é \u202e\\\r\nX".encode()) as stub:
        _, _, err = post("x", service=stub.url)
    assert err == ("grafana-images: The service answered 500: \\x1b[2J\\x07 "
                   "\\xc3\\xa9 \\xe2\\x80\\xae\\\\\n")


def test_the_token_is_not_in_the_process_list():
    seen = []

    def look(handler, over):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    seen.append(f.read())
        hang_up = b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"
        handler.wfile.write(hang_up)
    with Stub(answer=look) as stub:
        post("x", service=stub.url)
    ours = [line for line in seen if line.startswith(PROGRAM.encode())]
    assert ours and not any(TOKEN.encode() in line for line in ours)


# TLS


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """ca(name): a certificate and its key for localhost, or that name."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True,
                       capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=A CA of our own", "-keyout", "ca.key", "-out", "ca.pem")

    class Ca:
        file = str(folder / "ca.pem")

        @staticmethod
        def pair(name):
            base = name.replace(":", "-")
            (folder / (base + ".ext")).write_text("subjectAltName=" + name)
            openssl("req", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                    "-keyout", base + ".key", "-out", base + ".csr")
            openssl("x509", "-req", "-in", base + ".csr", "-CA", "ca.pem",
                    "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                    "-extfile", base + ".ext", "-out", base + ".pem")
            return str(folder / (base + ".pem")), str(folder / (base + ".key"))
    return Ca


def test_a_ca_file_makes_a_certificate_trusted(ca):
    with Stub(tls=ca.pair("IP:127.0.0.1")) as stub:
        assert post("--ca-file", ca.file, "x", service=stub.url) == \
            (0, PUBLIC + "\n", "")
        assert PUBLIC.encode() in mutate(CLASSIC, "--ca-file", ca.file,
                                         service=stub.url)


def test_without_it_nothing_is_sent(ca):
    with Stub(tls=ca.pair("IP:127.0.0.1")) as stub:
        code, _, err = post("x", service=stub.url)
        assert code == 69 and "--ca-file" in err
        assert "sends an incomplete chain" in err and "SSH" not in err
        assert mutate(CLASSIC, service=stub.url) == CLASSIC
        assert stub.requests.empty()


def test_a_certificate_for_another_name_is_refused(ca):
    with Stub(tls=ca.pair("DNS:other.example")) as stub:
        code, _, err = post("--ca-file", ca.file, "x", service=stub.url)
        assert code == 69 and "has a certificate for another name" in err
        assert mutate(CLASSIC, "--ca-file", ca.file,
                      service=stub.url) == CLASSIC
        assert stub.requests.empty()


@pytest.fixture
def tls_endpoint(running, ca):
    """The real service behind an nginx that speaks TLS."""
    port = webservers.free_port()
    cert, key = ca.pair("DNS:localhost")
    with webservers.Nginx(server_extra="""
listen 127.0.0.1:%d ssl;
ssl_certificate %s;
ssl_certificate_key %s;
""" % (port, cert, key)):
        yield "https://localhost:%d/grafana-images" % port


def test_post_and_sensu_work_over_tls_through_nginx(tls_endpoint, ca, grafana):
    code, out, err = post("--ca-file", ca.file, grafana.url + PANEL,
                          service=tls_endpoint)
    assert (code, err) == (0, "")
    event = json.dumps({"check": {"graph_image": grafana.url + PANEL}})
    mutated = json.loads(mutate(event.encode(), "--ca-file", ca.file,
                                service=tls_endpoint))
    assert mutated["check"]["graph_image_url"].endswith(".png")


# The mutator


def sample(name, grafana):
    """A sample event that names a panel of the stand-in, as bytes."""
    text = (EVENTS / name).read_text()
    return text.replace("https://grafana.example.org", grafana.url).encode()


@pytest.mark.parametrize("name, path", [
    ("sensu-classic-event.json", ["check"]),
    ("sensu-go-event.json", ["check", "metadata", "annotations"])])
def test_the_samples_get_the_address_and_keep_every_byte(
        endpoint, grafana, get, name, path):
    event = sample(name, grafana)
    mutated = mutate(event, service=endpoint)
    place = json.loads(mutated)
    for member in path:
        place = place[member]
    public = place["graph_image_url"]
    assert get(public).body.startswith(b"\x89PNG")
    added = b'"graph_image_url":"%s",' % public.encode()
    assert mutated.count(added) == 1
    assert mutated.replace(added, b"") == event


def test_the_last_six_hours_are_asked_for(endpoint, grafana):
    mutate(sample("sensu-classic-event.json", grafana), service=endpoint)
    target = grafana.requests()[-1]["target"]
    assert "from=now-6h&to=now" in target and "var-server=db-07" in target


def test_the_time_is_added_to_what_is_posted_and_to_nothing_else():
    event = b'{"check":{"graph_image":"https://g/d/x?a=1#sensu.io.graphic"}}'
    with Stub() as stub:
        mutated = mutate(event, service=stub.url)
        assert json.loads(stub.next()[3])["imageUrl"] == \
            "https://g/d/x?a=1&from=now-6h&to=now#sensu.io.graphic"
    assert mutated == (b'{"check":{"graph_image_url":"%s",' % PUBLIC.encode() +
                       event.removeprefix(b'{"check":{'))


def test_a_fragment_does_not_harm(endpoint, grafana):
    event = {"check": {"graph_image":
                       grafana.url + PANEL + "#sensu.io.graphic"}}
    mutated = mutate(json.dumps(event).encode(), service=endpoint)
    assert b"graph_image_url" in mutated


UNCHANGED = {
    "nothing": b"",
    "a blank": b" \n",
    "broken": b'{"check":{"graph_image":"https://g/d/x"}',
    "two": b'{"check":{"graph_image":"https://g/d/x"}} {}',
    "binary": bytes(range(256)) * 100,
    "null": b"null",
    "no check": b'{"client":{},"id":"x"}',
    "a check that is null": b'{"client":{},"check":null}',
    "metrics alone": b'{"entity":{"metadata":{}},"metrics":{"points":[]}}',
    "no annotations": b'{"entity":{},"check":{"metadata":{}}}',
    "null annotations":
        b'{"entity":{},"check":{"metadata":{"annotations":null}}}',
    "an address that is none": b'{"check":{"graph_image":17}}',
    "deep": b'{"check":{"graph_image":"https://g/d/x","x":' + b"[" * 200000 +
            b"]" * 200000 + b"}}",
    "deep and broken": b"[" * 1_000_000,
    "twice": b'{"check":{"graph_image":"a","graph_image":"b"}}',
    "no UTF-8": b'{"check":{"graph_image":"https://g/d/x","x":"\xff"}}',
}


@pytest.mark.parametrize("what", UNCHANGED)
def test_what_cannot_be_mutated_comes_out_as_it_is(what):
    with Stub() as stub:
        assert mutate(UNCHANGED[what], service=stub.url) == UNCHANGED[what]
        assert stub.requests.empty()


def big(size):
    return (b'{"check":{"output":"' + b"\\u0026x" * (size // 7) +
            b'","n":12345678901234567890.12345678901234567890e+1,'
            b'"graph_image":"https://g/d/x"}}')


def test_an_event_of_10_mb_is_mutated():
    event = big(10_000_000)
    with Stub() as stub:
        mutated = mutate(event, service=stub.url)
    added = b'"graph_image_url":"%s",' % PUBLIC.encode()
    assert mutated.replace(added, b"") == event and len(mutated) > len(event)


def test_an_event_over_64_mib_is_copied():
    event = big(70_000_000)
    with Stub() as stub:
        assert mutate(event, service=stub.url) == event
        assert stub.requests.empty()


def test_an_event_is_copied_when_there_is_no_memory_for_it():
    if sanitized():
        pytest.skip("a sanitizer needs the whole address space")
    event = big(40_000_000)
    with Stub() as stub:
        out = subprocess.run(
            ["prlimit", "--as=33554432", "--", PROGRAM, "sensu"], input=event,
            capture_output=True, timeout=60, env=environment(stub.url))
    assert (out.returncode, out.stderr) == (0, b"")
    assert out.stdout == event


@pytest.mark.parametrize("arguments", [
    ["--nonsense"], ["more"], ["--help"], ["--version"], ["-c"],
    ["--service"], ["--timeout", "x"], ["--token", "x"],
    ["--token-file", "/nonexistent"], ["--ca-file", "/nonexistent"],
    ["--ca-file", "/etc/hostname"], ["--service", "nonsense"]])
def test_with_arguments_that_it_does_not_know_it_copies(arguments):
    with Stub() as stub:
        assert mutate(CLASSIC, *arguments, service=stub.url) == CLASSIC
        assert stub.requests.empty()


def test_without_service_or_token_it_copies():
    assert mutate(CLASSIC) == CLASSIC
    with Stub() as stub:
        assert mutate(CLASSIC, service=stub.url, token=None) == CLASSIC
        assert stub.requests.empty()


def test_the_settings_are_not_looked_for():
    with Stub() as stub:
        for arguments in (["-c", "/nonexistent", "sensu"],
                          ["sensu", "-c", "/nonexistent"]):
            out = run(*arguments, input=CLASSIC, service=stub.url)
            assert (out.returncode, out.stderr) == (0, b"")
            assert PUBLIC.encode() in out.stdout


@contextlib.contextmanager
def mutator(*arguments, service, **kw):
    process = subprocess.Popen([PROGRAM, "sensu", *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               env=environment(service, **kw))
    try:
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.stderr.close()
        process.wait()


def wait(seconds):
    threading.Event().wait(seconds)


def without_picture(mutated):
    added = b'"graph_image_url":"%s",' % PUBLIC.encode()
    assert mutated.count(added) == 1
    return mutated.replace(added, b"")


def test_an_event_whose_pipe_another_process_holds_open_comes_out_in_time():
    with Stub() as stub, mutator("--timeout", "1", service=stub.url) as m:
        start = time.monotonic()
        m.stdin.write(CLASSIC)
        m.stdin.flush()
        assert m.stdout.read() == CLASSIC
        assert m.wait(20) == 0
        assert time.monotonic() - start < 1 + SLACK
        assert m.stderr.read() == b""


@pytest.mark.parametrize("event", [CLASSIC + b"\n", big(300_000), b"no JSON " * 1000])
def test_an_event_that_drips_beyond_the_timeout_comes_out_whole(event):
    with Stub() as stub, mutator("--timeout", "1", service=stub.url) as m:
        piece = len(event) // 8 + 1
        for at in range(0, len(event), piece):
            m.stdin.write(event[at:at + piece])
            m.stdin.flush()
            if at + piece < len(event):
                wait(0.3)
        m.stdin.close()
        assert m.stdout.read() == event
        assert m.wait(20) == 0 and m.stderr.read() == b""
        assert stub.requests.empty()


def test_an_event_that_stops_in_the_middle_is_waited_for():
    event = big(100_000)
    with Stub() as stub, mutator("--timeout", "1", service=stub.url) as m:
        m.stdin.write(event[:60_000])
        m.stdin.flush()
        wait(2.5)
        m.stdin.write(event[60_000:])
        m.stdin.close()
        assert m.stdout.read() == event
        assert m.wait(20) == 0


def test_a_reader_that_is_slow_gets_all_of_it():
    with Stub() as stub, mutator("--timeout", "1", service=stub.url) as m:
        m.stdin.write(big(3_000_000))
        m.stdin.close()
        out = m.stdout.read(70_000)
        wait(2.5)
        out += m.stdout.read()
        assert m.wait(20) == 0
    assert without_picture(out) == big(3_000_000)


@pytest.mark.parametrize("size", [20_000_000, 70_000_000])
def test_a_large_event_that_comes_late_comes_out_whole(size):
    event = big(size)
    with Stub() as stub, mutator("--timeout", "1", service=stub.url) as m:
        m.stdin.write(event[:1000])
        m.stdin.flush()
        wait(1.5)
        writer = threading.Thread(
            target=lambda: (m.stdin.write(event[1000:]), m.stdin.close()))
        writer.start()
        assert m.stdout.read() == event
        writer.join()
        assert m.wait(20) == 0 and stub.requests.empty()


def test_an_input_without_end_is_copied_until_nobody_reads():
    with open("/dev/zero", "rb") as zero:
        m = subprocess.Popen([PROGRAM, "sensu", "--timeout", "1"], stdin=zero,
                             stdout=subprocess.PIPE, env=environment())
        for _ in range(100):  # more than is kept
            assert m.stdout.read(1_000_000) == bytes(1_000_000)
        m.stdout.close()
        assert m.wait(20) == 0


@pytest.mark.parametrize("taken", [0, 1, 5_000])
def test_an_output_that_is_closed_does_no_harm(taken):
    with Stub() as stub, mutator(service=stub.url) as m:
        m.stdin.write(big(1_000_000))
        m.stdin.close()
        m.stdout.read(taken)
        m.stdout.close()
        assert m.wait(20) == 0
        assert m.stderr.read() == b""


def test_a_socket_that_does_not_block_gets_the_whole_event():
    ours, its = socket.socketpair()  # as EventMachine has it
    its.setblocking(False)
    with Stub() as stub, ours:
        m = subprocess.Popen([PROGRAM, "sensu", "--timeout", "10"], stdin=its,
                             stdout=its, env=environment(stub.url))
        its.close()
        writer = threading.Thread(target=lambda: (
            ours.sendall(big(1_000_000)), ours.shutdown(socket.SHUT_WR)))
        writer.start()
        wait(0.3)
        out = b"".join(iter(lambda: ours.recv(65536), b""))
        writer.join()
        assert m.wait(20) == 0
    assert without_picture(out) == big(1_000_000)


def test_a_token_file_that_nobody_writes_is_given_up_in_time(tmp_path):
    os.mkfifo(tmp_path / "token")
    with Stub() as stub:
        start = time.monotonic()
        assert mutate(CLASSIC, "--token-file", str(tmp_path / "token"),
                      "--timeout", "1", service=stub.url) == CLASSIC
        assert time.monotonic() - start < 1 + SLACK


# The handlers


def handler_message(event, service, ca_file, token=TOKEN):
    out = subprocess.run(
        ["ruby", str(ROOT / "tests/e2e/sensu_handler.rb"), service,
         *([ca_file] if ca_file else [])],
        input=json.dumps(event), capture_output=True, text=True, timeout=60,
        env={**os.environ, "TOKEN": token})
    assert (out.returncode, out.stderr) == (0, "")
    return out.stdout


def test_a_ruby_handler_works_over_tls(tls_endpoint, ca, grafana):
    event = json.loads(sample("sensu-classic-event.json", grafana))
    message = handler_message(event, tls_endpoint, ca.file)
    assert re.search(r'<br><img src="http://\S+\.png">\s*$', message)


def test_a_ruby_handlers_failures_show_text(tls_endpoint, ca, grafana):
    event = json.loads(sample("sensu-classic-event.json", grafana))
    refused = handler_message(event, tls_endpoint, ca.file, "glsa_wrong")
    assert "[graph_image fetch failed: " in refused
    assert "token-refused: " in refused
    assert "<img" not in refused
    untrusted = handler_message(event, tls_endpoint, None)
    assert "certificate verify failed" in untrusted


def rendered(template, event):
    """An ERB template of deploy/sensu, with the event as handlers have it."""
    script = ("require 'json'; require 'erb'; @event = JSON.parse($stdin.read);"
              "print ERB.new(File.read(ARGV[0])).result(binding)")
    out = subprocess.run(
        ["ruby", "-e", script, str(DEPLOY / "sensu/templates" / template)],
        input=event, capture_output=True, text=True, timeout=60,
        env={**os.environ, "LANG": "C.UTF-8"})
    assert (out.returncode, out.stderr) == (0, "")
    return out.stdout


@pytest.fixture
def plain_and_mutated():
    plain = (EVENTS / "sensu-classic-event.json").read_bytes()
    with Stub() as stub:
        return plain.decode(), mutate(plain, service=stub.url).decode()


def test_the_hipchat_template_shows_the_picture(plain_and_mutated):
    plain, mutated = (rendered("hipchat.erb", e) for e in plain_and_mutated)
    assert '<img src="%s">' % PUBLIC in mutated
    assert "<img" not in plain
    for text in plain, mutated:
        assert "<b>ALERT</b>\ndb-07/check_disk_data:" in text
        assert "(&quot;ext4&quot;, 11.8 GiB left)" in text


def test_the_slack_template_shows_the_picture(plain_and_mutated):
    plain, mutated = (json.loads(rendered("slack.json.erb", e))
                      ["attachments"][0] for e in plain_and_mutated)
    assert mutated["image_url"] == PUBLIC
    assert "image_url" not in plain
    for a in plain, mutated:
        assert a["title"] == "ALERT db-07/check_disk_data"
        assert '("ext4", 11.8 GiB left)' in a["text"]
        assert a["color"] == "danger"


def test_the_mattermost_template_shows_the_picture(plain_and_mutated):
    plain, mutated = (json.loads(rendered("mattermost.json.erb", e))["text"]
                      for e in plain_and_mutated)
    assert "[![graph](%s)](https://grafana.example.org/" % PUBLIC in mutated
    assert "![" not in plain
    for text in plain, mutated:
        assert text.startswith("**ALERT** db-07/check_disk_data\n")


def test_the_classic_definitions_name_what_is_there():
    with open(DEPLOY / "sensu/classic.json") as f:
        conf = json.load(f)
    for handler in conf["handlers"].values():
        assert handler["mutator"] in conf["mutators"]
    used = [conf[name].get("message_template") or
            conf[name].get("payload_template")
            for name in ("hipchat", "slack", "mattermost")]
    assert sorted(map(os.path.basename, used)) == \
        sorted(os.listdir(DEPLOY / "sensu/templates"))


# Nagios and Icinga

PICTURE = PANEL + "&var-server=db-07"
OUTPUT = 'DISK CRITICAL - "/data" <96%> full & $HOME `id` \\ | x=1'


def folder_of(user, *inside):
    """A folder that a monitoring system's user may write to, and some in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="monitor-", dir="/run"))
    folder.chmod(0o755)
    for path in folder, *(folder / name for name in inside):
        path.mkdir(exist_ok=True)
        shutil.chown(path, user)
    return folder


@contextlib.contextmanager
def daemon(command, folder, **env):
    """Run it to the end of the block; its log is shown when that fails."""
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, env={**os.environ, **env})
    try:
        yield process
    except BaseException:
        for path in folder / "output", folder / "log":
            if path.exists():
                print(path.read_text(errors="replace"))
        raise
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


NAGIOS = """
log_file={dir}/log
cfg_file={dir}/objects.cfg
cfg_file={dir}/grafana-images.cfg
object_cache_file={dir}/objects.cache
status_file={dir}/status
lock_file={dir}/pid
temp_file={dir}/tmp
temp_path={dir}
check_result_path={dir}/results
command_file={dir}/command
query_socket={dir}/query
nagios_user=nagios
nagios_group=nagios
enable_notifications=1
execute_service_checks=1
execute_host_checks=0
retain_state_information=0
interval_length=1
service_inter_check_delay_method=n
max_service_check_spread=1
check_for_updates=0
notification_timeout=30
use_syslog=0
illegal_macro_output_chars=`~$&|'"<>
"""
NAGIOS_OBJECTS = """
define timeperiod {{
  timeperiod_name always
  alias           always
  monday          00:00-24:00
  tuesday         00:00-24:00
  wednesday       00:00-24:00
  thursday        00:00-24:00
  friday          00:00-24:00
  saturday        00:00-24:00
  sunday          00:00-24:00
}}
define command {{
  command_name fail
  command_line {dir}/fail $ARG1$
}}
define contact {{
  contact_name                  ops
  email                         ops@example.com
  host_notifications_enabled    0
  host_notification_period      always
  service_notification_period   always
  host_notification_commands    notify-service-with-graph
  service_notification_options  c
  service_notification_commands notify-service-with-graph
}}
define host {{
  host_name              db-07
  address                127.0.0.1
  max_check_attempts     1
  check_period           always
  contacts               ops
  active_checks_enabled  0
}}
"""
NAGIOS_SERVICE = """
define service {{
  host_name             db-07
  service_description   {name}
  check_command         fail!{output}
  max_check_attempts    1
  check_interval        3600
  retry_interval        3600
  check_period          always
  notification_period   always
  notification_options  c
  notification_interval 3600
  contacts              ops
  {graph}
}}
"""


# What a check prints that is no UTF-8, and more than one line of a mail may have.
LATIN1 = "Ger\xe4t nicht verf\xfcgbar ".encode("latin-1") + b"x" * 2000


def checks_in(folder, **more):
    """A program that fails like a check, and prints what its argument names."""
    for name, output in dict(more, fine=OUTPUT.encode(), latin1=LATIN1).items():
        (folder / name).write_bytes(output + b"\n")
    script_in(folder, "fail", "cat %s/$1; exit 2" % folder)


def script_in(folder, name, text):
    (folder / name).write_text("#!/bin/sh\n%s\n" % text)
    (folder / name).chmod(0o755)


@pytest.mark.skipif(not shutil.which("nagios4", path="/usr/sbin:/usr/bin"),
                    reason="no Nagios here")
def test_nagios_sends_mail_with_the_picture(endpoint, grafana, responder,
                                            get):
    folder = folder_of("nagios", "results", "mail")
    script = shutil.copy(DEPLOY / "nagios/notify-by-mail", folder)
    conf = (DEPLOY / "nagios/grafana-images.cfg").read_text()
    (folder / "grafana-images.cfg").write_text(conf.replace(
        "/usr/local/lib/grafana-images/notify-by-mail", str(script)))
    panel = grafana.url + PICTURE
    named = panel.replace("db-07", "$HOSTNAME$")
    (folder / "objects.cfg").write_text(
        NAGIOS_OBJECTS.format(dir=folder) +
        "".join(NAGIOS_SERVICE.format(name=name, output=output, graph=graph)
                for name, output, graph in [
                    ("disk", "fine", "action_url " + named),
                    ("gone", "fine", "action_url https://other.example/d/x"),
                    ("plain", "fine", ""),
                    ("Pl\u00e4tze", "latin1", "action_url " + named),
                    ("long", "long", "")]))
    (folder / "nagios.cfg").write_text(NAGIOS.format(dir=folder))
    (folder / "token").write_text(TOKEN + "\n")
    checks_in(folder, long=b"y" * 100_000)
    script_in(folder, "sendmail", "cat >{0}/mail/$$.part; mv {0}/mail/$$.part "
                                  "{0}/mail/$$.txt".format(folder))

    def mails():
        return [p.read_bytes() for p in (folder / "mail").glob("*.txt")]
    with daemon(["nagios4", str(folder / "nagios.cfg")], folder,
                PATH="/usr/sbin:" + os.environ["PATH"], LC_ALL="C",
                GRAFANA_IMAGES=responder.program,
                GRAFANA_IMAGES_SERVICE=endpoint,
                GRAFANA_TOKEN_FILE=str(folder / "token"),
                SENDMAIL=str(folder / "sendmail")):
        until(lambda: len(mails()) == 5, "five mails", 60)
        by_name = {}
        for mail in map(read_mail, mails()):
            assert mail["To"] == "ops@example.com"
            name, = re.findall(r"^PROBLEM: (\w+) on db-07 is CRITICAL$",
                               mail["Subject"])
            by_name[name] = mail.get_content()
    disk, gone, plain = by_name["disk"], by_name["gone"], by_name["plain"]
    assert get(re.search(r'<img src="([^"]+)"', disk).group(1)).body \
        .startswith(b"\x89PNG")
    assert '<a href="%s">' % html.escape(panel) in disk
    assert "There is no picture: grafana-images: not-allowed: " in gone
    assert "picture" not in plain and "img" not in plain
    for text in disk, gone, plain:
        assert "DISK CRITICAL - /data 96% full" in text
    assert LATIN1.decode("latin-1") in by_name["Pl\u00e4tze"]
    assert "<img" in by_name["Pl\u00e4tze"]
    # Nagios may end a check's output where a read of its ends
    assert re.search("<pre>y{4096,}</pre>", by_name["long"])


ICINGA = """
include <itl>
object CheckerComponent "checker" {{ }}
object NotificationComponent "notification" {{ }}
object FileLogger "log" {{ severity = "warning"; path = "{dir}/log" }}
object Host "db-07" {{
  check_command = "dummy"
}}
template Service "failing" {{
  host_name = "db-07"
  check_command = "dummy"
  vars.dummy_state = 2
  vars.dummy_text = {output}
  max_check_attempts = 1
  check_interval = 1s
}}
object Service "disk" {{
  import "failing"
  vars.graph_image = "{panel}"
}}
object Service "gone" {{
  import "failing"
  vars.graph_image = "https://other.example/d/x"
}}
object CheckCommand "fail" {{
  command = [ "{dir}/fail", "$fails_with$" ]
}}
object Service "Pl\u00e4tze" {{
  import "failing"
  check_command = "fail"
  vars.fails_with = "latin1"
  vars.graph_image = "{panel}"
}}
object Service "quotes" {{
  import "failing"
  check_command = "fail"
  vars.fails_with = "quotes"
  vars.graph_image = "{panel}"
}}
include "{dir}/grafana-images.conf"
object Service "plain" {{
  import "failing"
}}
object Notification "plain" {{
  host_name = "db-07"
  service_name = "plain"
  command = "notify-by-webhook"
  users = [ "ops-chat" ]
}}
"""


@pytest.mark.skipif(not shutil.which("icinga2", path="/usr/sbin:/usr/bin"),
                    reason="no Icinga here")
def test_icinga_posts_the_picture_to_a_webhook(endpoint, grafana, responder,
                                               get):
    folder = folder_of("nagios", "scripts", "data", "cache", "spool", "run",
                       "logs")
    shutil.copy(DEPLOY / "icinga/notify-by-webhook", folder / "scripts")
    (folder / "token").write_text(TOKEN + "\n")
    checks_in(folder, quotes=b'"' * 300_000)
    panel = grafana.url + PICTURE
    with Stub(body=b"ok") as chat:
        conf = (DEPLOY / "icinga/grafana-images.conf").read_text()
        webhook = "https://hooks.slack.com/services/T0/B0/KEY"
        assert webhook in conf
        (folder / "grafana-images.conf").write_text(
            conf.replace(webhook, chat.url + "/hooks/KEY"))
        (folder / "main.conf").write_text(ICINGA.format(
            dir=folder, panel=panel,
            output='"' + OUTPUT.replace("\\", "\\\\").replace('"', '\\"')
            .replace("$", "$$") + '"'))
        constants = {"ConfigDir": folder, "DataDir": folder / "data",
                     "CacheDir": folder / "cache", "LogDir": folder / "logs",
                     "SpoolDir": folder / "spool", "InitRunDir": folder / "run",
                     "PidPath": folder / "run/pid",
                     "VarsPath": folder / "cache/vars",
                     "StatePath": folder / "data/state",
                     "ObjectsPath": folder / "cache/objects",
                     "ModAttrPath": folder / "data/modified"}
        with daemon(["icinga2", "daemon", "-c", str(folder / "main.conf"),
                     *("-D%s=%s" % pair for pair in constants.items())],
                    folder, PATH="/usr/sbin:" + os.environ["PATH"],
                    LC_ALL="C", GRAFANA_IMAGES=responder.program,
                    GRAFANA_IMAGES_SERVICE=endpoint,
                    GRAFANA_TOKEN_FILE=str(folder / "token")):
            said = {}
            while len(said) < 5:
                method, path, headers, body = chat.next(60)
                assert (method, path) == ("POST", "/hooks/KEY")
                attachment = json.loads(body)["attachments"][0]
                said[attachment["title"].split()[1]] = attachment
    disk, gone, plain = said["disk"], said["gone"], said["plain"]
    assert disk["title"] == "PROBLEM: disk on db-07 is CRITICAL"
    assert get(disk["image_url"]).body.startswith(b"\x89PNG")
    assert disk["title_link"] == panel
    assert "(There is no picture: grafana-images: not-allowed: " in gone["text"]
    assert "image_url" not in gone and "image_url" not in plain
    for attachment in disk, gone, plain:
        assert html.unescape(attachment["text"]).startswith(
            OUTPUT.split(" |")[0])
    for attachment in said.values():
        assert attachment["color"] == "danger"
    assert "image_url" in said["Pl\u00e4tze"]
    # Icinga has U+FFFD for what is no UTF-8
    assert re.fullmatch("Ger.t nicht verf.gbar x{2000}",
                        said["Pl\u00e4tze"]["text"])
    # more than fits into a variable of the environment
    assert said["quotes"]["text"] == '"' * 65536
