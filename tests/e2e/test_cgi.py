"""The program without a web server: plain CGI, commands, start-up errors."""

import json
import os
import re
import subprocess
import time

import pytest

from conftest import PANEL, TOKEN
from service import CONF, PROGRAM, user_of_its_own


def run(*arguments, body=b"", program=PROGRAM, as_user={}, **variables):
    given = {"input" if isinstance(body, bytes) else "stdin": body}
    return subprocess.run([program, *arguments], **given,
                          capture_output=True, **as_user,
                          env={"PATH": os.environ["PATH"], **variables})


@pytest.fixture
def cgi(service):
    """cgi(body, argument…, VARIABLE=value): as the service's user."""
    as_user = {"user": "daemon", "group": "daemon", "extra_groups": []} \
        if user_of_its_own() else {}

    def cgi(body, *arguments, **variables):
        if "CONTENT_LENGTH" not in variables:
            variables["CONTENT_LENGTH"] = str(len(body))
        return run(*arguments, body=body, program=service.program,
                   as_user=as_user, **request(variables))
    return cgi


def request(variables):
    return {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
            "HTTP_AUTHORIZATION": "Bearer " + TOKEN,
            "REMOTE_ADDR": "192.0.2.9", **variables}


def test_as_cgi_it_answers_one_request(service, cgi, grafana):
    service.configure()
    out = cgi(json.dumps({"imageUrl": grafana.url + PANEL}).encode())
    assert out.returncode == 0
    head, body = out.stdout.split(b"\r\n\r\n", 1)
    assert head.startswith(b"Status: 200 OK\r\n")
    assert json.loads(body)["pubImg"]
    assert out.stderr.count(b"\n") == 1
    assert b'client="192.0.2.9"' in out.stderr
    assert dict(grafana.requests()[-1]["headers"])["X-Forwarded-For"] == \
        "192.0.2.9"


@pytest.mark.parametrize("arguments", [
    ["purge"], ["-c", "/etc/passwd"], ["--help"], ["check"]])
def test_as_cgi_arguments_are_ignored(service, cgi, arguments):
    service.configure()
    out = cgi(b"{}", *arguments)
    assert out.stdout.startswith(b"Status: 400 ")


def test_as_cgi_a_body_of_unknown_length_is_read_to_its_end(service, cgi, grafana):
    service.configure()
    body = json.dumps({"imageUrl": grafana.url + PANEL}).encode()
    for length in ("", "-1"):
        assert cgi(body, CONTENT_LENGTH=length).stdout.startswith(
            b"Status: 200 ")


def test_as_cgi_a_get_is_answered_before_its_input_ends(service, cgi):
    service.configure()
    reader, writer = os.pipe()  # a server that keeps its end open
    for length in ("", "-1"):
        start = time.monotonic()
        out = cgi(reader, REQUEST_METHOD="GET", QUERY_STRING="health",
                  CONTENT_LENGTH=length)
        assert out.stdout.startswith(b"Status: 200 ")
        assert time.monotonic() - start < 3  # a silence is 4
    os.close(reader)
    os.close(writer)


def test_as_cgi_a_store_that_cannot_be_written_is_store_failed(
        service, cgi, grafana, tmp_path):
    (tmp_path / "file").write_text("")
    service.configure(store=str(tmp_path / "file" / "images"))
    out = cgi(json.dumps({"imageUrl": grafana.url + PANEL}).encode())
    assert b"\r\n\r\nstore-failed: " in out.stdout
    assert out.stderr.count(b"outcome=store-failed") == 1
    out = cgi(b"", REQUEST_METHOD="GET", QUERY_STRING="health")
    assert out.stdout.startswith(b"Status: 503 ")
    answer = json.loads(out.stdout.split(b"\r\n\r\n", 1)[1])
    assert answer["store"] == "cannot be written"


def test_as_cgi_wrong_settings_still_give_an_answer(service, cgi):
    with open(CONF, "w") as f:
        f.write("nonsense\n")
    out = cgi(b"{}")
    assert out.stdout.startswith(b"Status: 500 ")
    assert b"internal: " in out.stdout
    assert b"/etc/grafana-images.conf:1: " in out.stderr


def test_help_and_version_are_on_standard_output():
    out = run("--help")
    assert (out.returncode, out.stderr) == (0, b"")
    assert b"usage: grafana-images" in out.stdout
    out = run("--version")
    assert re.fullmatch(rb"grafana-images \d+\.\d+\.\d+\n", out.stdout)


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["--nonsense"], ["-c"], ["check", "more"]])
def test_anything_else_is_usage_and_64(arguments):
    out = run(*arguments)
    assert (out.returncode, out.stdout) == (64, b"")
    assert out.stderr.startswith(b"usage: grafana-images")


def check(tmp_path, *lines, **variables):
    path = tmp_path / "conf"
    path.write_text("\n".join(lines) + "\n")
    out = run("check", "-c", str(path), **variables)
    return out.returncode, out.stdout.decode(), out.stderr.decode(), path


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


def test_check_prints_the_effective_settings(tmp_path, grafana):
    code, out, err, _ = check(
        tmp_path, "grafana = " + grafana.url,
        "public_url = https://g.example/saved-images/  # a comment",
        "s3_access_key_id = AKIASECRET",
        GRAFANA_IMAGES_WORKERS="7", GRAFANA_IMAGES_SERVICE="x",
        GRAFANA_IMAGES_NOSUCH="1")
    assert code == 0
    settings = dict(line.split(" = ", 1) for line in out.splitlines())
    assert settings["workers"] == "7"
    assert settings["public_url"] == "https://g.example/saved-images"
    assert settings["grafana"] == grafana.url
    assert "AKIASECRET" not in out + err
    assert err.count("\n") == 1
    assert "GRAFANA_IMAGES_NOSUCH" in err


def test_check_asks_grafana_once_with_a_made_up_token(tmp_path, grafana):
    check(tmp_path, "grafana = " + grafana.url, "public_url = https://g.example")
    assert grafana.counts()["requests"] == 1


def test_check_warns_of_anonymous_access(tmp_path):
    import standin
    with standin.Standin(anonymous=True) as open_grafana:
        code, _, err, _ = check(tmp_path, "grafana = " + open_grafana.url,
                                "public_url = https://g.example")
    assert code == 0
    assert "warning" in err and "anonymous" in err


def test_check_warns_of_unencrypted_addresses(tmp_path, grafana):
    _, _, err, _ = check(tmp_path,
                         "grafana = http://grafana.example via " + grafana.url,
                         "public_url = http://grafana.example/saved-images")
    assert err.count("not encrypted") == 1
    assert "public_url" in err


def test_check_warns_of_a_folder_that_it_cannot_write(tmp_path, grafana):
    (tmp_path / "file").write_text("")
    code, _, err, _ = check(
        tmp_path, "grafana = " + grafana.url, "public_url = https://g.example",
        "store = %s/file/images" % tmp_path)
    assert code == 0
    assert "warning: store = %s/file/images" % tmp_path in err
    assert "Not a directory" in err


def test_check_changes_nothing(tmp_path, grafana):
    store = tmp_path / "store"
    check(tmp_path, "grafana = " + grafana.url, "public_url = https://g.example",
          "store = %s" % store)
    assert not store.exists()


def test_a_settings_file_that_is_not_there_is_said(tmp_path):
    out = run("-c", str(tmp_path / "none"), "check")
    assert out.returncode == 78
    assert b"No such file" in out.stderr
