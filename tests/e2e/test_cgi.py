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


def test_a_settings_file_that_is_not_there_is_said(tmp_path):
    out = run("-c", str(tmp_path / "none"), "check")
    assert out.returncode == 78
    assert b"No such file" in out.stderr
