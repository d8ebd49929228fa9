"""grafana-images check: what no setting can say of itself is looked at."""

import http.server
import os
import subprocess
import threading

import pytest

import standin
from service import PROGRAM

PUBLIC = "public_url = http://127.0.0.1/saved-images"


def check(tmp_path, *lines, **variables):
    path = tmp_path / "conf"
    path.write_text("\n".join(lines) + "\n")
    out = subprocess.run([PROGRAM, "check", "-c", str(path)], capture_output=True,
                         env={**os.environ, **variables}, text=True)
    return out.returncode, out.stdout, out.stderr, path


def test_check_names_every_fault_with_file_and_line(tmp_path):
    code, out, err, path = check(
        tmp_path, "# settings", "workers = 0", "colour = blue",
        "grafana = ftp://x", "public_url = https://g.example/saved-images")
    assert code == 78 and out == ""
    lines = err.splitlines()
    assert lines[0] == ("grafana-images: %s:2: workers = 0: a whole number "
                        "from 1 to 4096 is allowed" % path)
    assert lines[1].startswith("grafana-images: %s:3: colour: " % path)
    assert lines[2].startswith("grafana-images: %s:4: grafana = ftp://x: "
                               % path)


def test_check_changes_nothing(tmp_path, grafana):
    store = tmp_path / "store"
    check(tmp_path, "grafana = " + grafana.url, PUBLIC,
          "store = %s" % store)
    assert not store.exists()


@pytest.fixture
def store(tmp_path):
    """A store that any web server may enter."""
    for folder in tmp_path, *tmp_path.parents:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    path = tmp_path / "images"
    path.mkdir(mode=0o711)
    return path


def test_check_prints_the_effective_settings(tmp_path, grafana, store):
    code, out, err, _ = check(
        tmp_path, "grafana = " + grafana.url, "store = %s" % store,
        "public_url = http://127.0.0.1/saved-images/  # a comment",
        "s3_access_key_id = AKIASECRET", "min_free_bytes = 0",
        GRAFANA_IMAGES_WORKERS="7", GRAFANA_IMAGES_SERVICE="x",
        GRAFANA_IMAGES_NOSUCH="1")
    assert code == 0
    settings = dict(line.split(" = ", 1) for line in out.splitlines())
    assert settings["workers"] == "7"
    assert settings["public_url"] == "http://127.0.0.1/saved-images"
    assert settings["grafana"] == grafana.url
    assert "AKIASECRET" not in out + err
    assert err.count("\n") == 1
    assert "GRAFANA_IMAGES_NOSUCH" in err


def test_check_says_that_there_is_no_problem(tmp_path, grafana, store):
    code, out, err, _ = check(tmp_path, "grafana = " + grafana.url, PUBLIC,
                              "store = %s" % store, "min_free_bytes = 0")
    assert (code, err) == (0, "")
    assert out.endswith("\nno problems found\n")


def test_check_asks_grafana_once_with_a_made_up_token(tmp_path, grafana):
    check(tmp_path, "grafana = " + grafana.url, PUBLIC)
    assert grafana.counts()["renders"] == 1


def test_check_warns_of_anonymous_access(tmp_path):
    with standin.Standin(anonymous=True) as open_grafana:
        code, out, err, _ = check(tmp_path, "grafana = " + open_grafana.url, PUBLIC)
    assert code == 0
    assert "warning" in err and "anonymous" in err
    assert "no problems found" not in out


def test_check_warns_of_a_grafana_without_a_renderer(tmp_path, store):
    (tmp_path / "frontend-settings.200").write_text(
        '{"panels": {"rendererAvailable": true}, "rendererAvailable": false}')
    with standin.Standin(anonymous=True, answers=str(tmp_path)) as bare:
        _, _, err, _ = check(tmp_path, "grafana = " + bare.url, PUBLIC)
    assert "%s: Grafana has no image renderer." % bare.url in err


def test_check_warns_of_unencrypted_addresses(tmp_path, grafana):
    _, _, err, _ = check(tmp_path,
                         "grafana = http://grafana.example via " + grafana.url,
                         "public_url = http://grafana.example/saved-images")
    assert err.count("not encrypted") == 1
    assert "public_url" in err


def test_check_warns_of_a_public_name_that_cannot_be_looked_up(tmp_path, grafana):
    _, _, err, _ = check(tmp_path, "grafana = " + grafana.url,
                         "public_url = https://grafana.invalid/saved-images")
    assert "warning: public_url: the name grafana.invalid cannot be looked up" in err


def test_check_warns_of_a_render_longer_than_an_answer(tmp_path, grafana):
    _, _, err, _ = check(tmp_path, "grafana = " + grafana.url, PUBLIC,
                         "render_seconds = 60", "answer_seconds = 50")
    assert "render_seconds = 60 is cut to answer_seconds = 50" in err


def test_check_warns_of_a_folder_that_it_cannot_write(tmp_path, grafana):
    (tmp_path / "file").write_text("")
    code, _, err, _ = check(
        tmp_path, "grafana = " + grafana.url, PUBLIC,
        "store = %s/file/images" % tmp_path)
    assert code == 0
    assert "warning: store = %s/file/images" % tmp_path in err
    assert "Not a directory" in err


def test_check_warns_of_a_folder_that_the_web_server_cannot_enter(
        tmp_path, grafana, store):
    tmp_path.chmod(0o700)
    _, out, err, _ = check(tmp_path, "grafana = " + grafana.url, PUBLIC,
                           "store = %s" % store, "min_free_bytes = 0")
    assert "cannot enter %s, so that no image opens" % tmp_path in err
    assert "no problems found" not in out


def test_check_warns_of_a_store_without_room(tmp_path, grafana, store):
    _, _, err, _ = check(tmp_path, "grafana = " + grafana.url, PUBLIC,
                         "store = %s" % store,
                         "min_free_bytes = 9000000000000000000")
    assert "bytes left, and min_free_bytes = 9000000000000000000" in err


FRONTS = {
    "a login page": (200, b"<title>Log in</title>"),
    "a login proxy": (403, b"<title>Log In</title>"),
    "a password": (401, b"<title>401 Authorization Required</title>"),
    "an ingress": (404, b"default backend - 404"),
    "an identity provider": (302, b""),
}


@pytest.fixture
def front():
    """front(status, body): something that answers everything like that."""
    servers = []

    def start(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "https://login.example.net/x?y=z")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return "http://127.0.0.1:%d" % server.server_port
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", FRONTS)
def test_check_warns_of_what_answers_in_front_of_grafana(tmp_path, front, name):
    url = front(*FRONTS[name])
    _, out, err, _ = check(tmp_path, "grafana = " + url, PUBLIC)
    assert "in front of Grafana" in err
    assert "grafana = %s via http://" % url in err
    assert "something in front of it answers (asked for /api/health)" in err
    assert "no problems found" not in out


@pytest.mark.parametrize("name", FRONTS)
def test_a_reply_says_what_answers_in_front_of_grafana(service, post, front, name):
    url = front(*FRONTS[name])
    service.start(grafana=url)
    answer = post(url + "/d/board/x?viewPanel=5")
    assert answer.status >= 400
    assert "in front of Grafana" in answer.json["detail"]
    assert "y=z" not in answer.text + service.text()
