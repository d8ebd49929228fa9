import json
import shutil
import socket

import pytest

import service as service_module
import standin as standin_module
import webservers

TOKEN = "glsa_secretsecretsecretsecretsecret01_0badcafe"
PANEL = "/d/cpu-load/cpu-load?orgId=1&from=now-6h&to=now&viewPanel=5"


def pytest_collection_modifyitems(items):
    """What does not run the program is not repeated under sanitizers."""
    if not service_module.sanitized():
        return
    again = pytest.mark.skip(reason="does not run the program")
    for item in items:
        alone = item.module.__name__.startswith("test_webservers") and \
            not {"behind", "behind_a_site"} & set(item.fixturenames)
        if alone or item.module.__name__ in ("test_package", "test_hubot"):
            item.add_marker(again)


@pytest.fixture(scope="session")
def grafana():
    """The stand-in, one for all tests."""
    with standin_module.Standin(token=TOKEN) as s:
        yield s


@pytest.fixture(autouse=True)
def fresh_grafana(request):
    if "grafana" in request.fixturenames:
        request.getfixturevalue("grafana").reset()


@pytest.fixture(scope="session")
def nginx():
    with webservers.Nginx() as server:
        yield server


@pytest.fixture(scope="session")
def responder(grafana, nginx):
    wrong = grafana.get_json("/standin/placeholders")
    s = service_module.Service(
        TOKEN, grafana.url + PANEL, grafana=grafana.url,
        public_url=nginx.url + "/saved-images", min_free_bytes=0,
        reuse_seconds=0,  # what another test saved answers nobody
        wrong_pictures="%s=no-renderer, %s=grafana-busy" % (
            wrong["no-renderer"], wrong["too-many"]))
    yield s
    s.close()


@pytest.fixture
def service(responder):
    """The program; service.start(setting=value) runs it."""
    responder.begin()
    yield responder
    responder.check_log()


@pytest.fixture
def running(service):
    return service.start()


@pytest.fixture
def post(nginx, grafana):
    """post(panel address or path below Grafana): the service's answer."""
    def post(panel=PANEL, token=TOKEN, body=None, headers=None, server=nginx,
             manner=None, source="127.0.0.1"):
        if body is None:
            url = panel if "://" in panel else grafana.url + panel
            if manner:
                url += ("&" if "?" in url else "?") + "var-manner=" + manner
            body = json.dumps({"imageUrl": url})
        sent = {"Content-Type": "application/json",
                "Accept": "application/json"}
        if token:
            sent["Authorization"] = "Bearer " + token
        sent.update(headers or {})
        answer = server.ask("/grafana-images", "POST",
                            [(k, v) for k, v in sent.items() if v is not None],
                            body.encode() if isinstance(body, str) else body,
                            source=source)
        return service_module.Reply(*answer)
    return post


@pytest.fixture
def empty_store(responder):
    """Nothing saved before."""
    responder.stop()
    shutil.rmtree(service_module.STORE, ignore_errors=True)
    yield service_module.STORE
    responder.stop()
    shutil.rmtree(service_module.STORE, ignore_errors=True)


@pytest.fixture
def get(nginx):
    def get(url, **kw):
        assert url.startswith(nginx.url + "/"), url
        return service_module.Reply(*nginx.ask(url[len(nginx.url):], **kw))
    return get


def fastcgi_records(body, variables, keep=False):
    """One FastCGI request (specification 1.0), as a web server sends it."""
    def record(kind, content):
        return (bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") +
                b"\0\0" + content)

    def length(n):
        return bytes([n]) if n < 128 else (n | 1 << 31).to_bytes(4, "big")

    params = b"".join(
        length(len(n)) + length(len(v)) + n + v for n, v in
        ((n.encode(), v.encode()) for n, v in variables.items()))
    parts = [body[i:i + 65535] for i in range(0, len(body), 65535)]
    return (record(1, bytes([0, 1, keep, 0, 0, 0, 0, 0])) +
            record(4, params) + record(4, b"") +
            b"".join(record(5, part) for part in parts) + record(5, b""))


@pytest.fixture
def fastcgi_request(service):
    def make(body, keep=False, **variables):
        return fastcgi_records(body, {
            "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": "Bearer " + TOKEN,
            "REMOTE_ADDR": "127.0.0.1", **variables}, keep)
    return make


@pytest.fixture
def fastcgi(service, fastcgi_request):
    """fastcgi(body, VARIABLE=value): the answer, without a web server."""
    def ask(body, **variables):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(service_module.SECONDS)
            s.connect(service_module.SOCKET)
            s.sendall(fastcgi_request(body, **variables))
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        out = b""
        while data:
            size = int.from_bytes(data[4:6], "big")
            if data[1] == 6:
                out += data[8:8 + size]
            data = data[8 + size + data[6]:]
        head, body = out.split(b"\r\n\r\n", 1)
        headers = dict(line.split(": ", 1)
                       for line in head.decode().split("\r\n"))
        return service_module.Reply(int(headers["Status"].split()[0]), headers,
                                    body)
    return ask
