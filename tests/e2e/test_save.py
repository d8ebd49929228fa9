"""A panel becomes a link that opens, and every other answer says what is wrong."""

import base64
import concurrent.futures
import hashlib
import json
import os
import re
import stat
import subprocess
import threading

import pytest

from conftest import PANEL, TOKEN
from service import STORE, images, sanitized, until


def test_a_panel_becomes_a_link_that_opens_without_a_login(running, post, get):
    answer = post()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    image = get(answer.json["pubImg"])
    assert image.status == 200
    assert image.headers["Content-Type"] == "image/png"
    assert image.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert (answer.json["width"], answer.json["height"]) == (1000, 500)
    assert answer.json["bytes"] == len(image.body)
    name = answer.json["pubImg"].rsplit("/", 1)[1]
    assert name == hashlib.sha256(image.body).hexdigest() + ".png"


def test_the_reply_has_the_panel_as_a_person_opens_it(running, post, grafana):
    answer = post("/d/cpu-load/cpu-load?orgId=1&refresh=5s&from=1700000000000"
                  "&to=1700003600000&viewPanel=panel-5&var-host=web-1&shareView=link")
    assert answer.json["panel"] == grafana.url + (
        "/d/cpu-load/cpu-load?viewPanel=5&orgId=1&from=1700000000000"
        "&to=1700003600000&var-host=web-1")


def test_grafana_is_asked_for_what_the_address_says(running, post, grafana):
    post("/d/cpu-load/cpu-load?viewPanel=panel-5&from=now-6h&to=now&kiosk"
         "&auth_token=x&targetOrgId=3&encoding=pdf#sensu.io.graphic")
    asked = grafana.requests()[-1]
    assert asked["target"] == ("/render/d-solo/cpu-load/cpu-load?panelId=5"
                               "&from=now-6h&to=now&kiosk&width=1000&height=500"
                               "&hideLogo=true")
    headers = {k.lower(): v for k, v in asked["headers"]}
    assert headers["authorization"] == "Bearer " + TOKEN
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["host"] == grafana.url.split("//")[1]
    assert "accept-encoding" not in headers
    assert "cookie" not in headers


def test_a_whole_dashboard_is_rendered_whole(running, post, grafana):
    answer = post("/d/cpu-load/cpu-load?from=now-6h&to=now")
    assert answer.status == 200
    assert grafana.requests()[-1]["target"].endswith(
        "&width=1000&height=-1&hideLogo=true")
    assert "viewPanel" not in answer.json["panel"]


@pytest.mark.parametrize("path", [
    "/render/d-solo/cpu-load/cpu-load?panelId=5&width=600&height=300",
    "//render/d-solo/cpu-load/?panelId=5&width=600&height=300",
    "/d-solo/cpu-load/cpu-load?panelId=panel-5&width=600&height=300",
    "/dashboard/db/cpu-load?panelId=5&fullscreen&width=600&height=300",
    "/render/dashboard-solo/db/cpu-load?panelId=5&width=600&height=300",
])
def test_every_form_of_address_is_taken(running, post, path):
    answer = post(path)
    assert (answer.status, answer.json["width"], answer.json["height"]) == (
        200, 600, 300)


# What existing clients send, byte for byte.

CLIENTS = {
    "the curl of the older program's README": {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "*/*", "User-Agent": "curl/7.88.1"},
    "node's fetch": {
        "accept": "application/json", "content-type": "application/json",
        "accept-language": "*", "sec-fetch-mode": "cors", "user-agent": "node",
        "accept-encoding": "gzip, deflate"},
    "the request library of old hubots": {
        "accept": "application/json", "content-type": "application/json",
        "encoding": "utf8"},
    "Ruby's Net::HTTP": {
        "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
        "Accept": "*/*", "User-Agent": "Ruby",
        "Content-Type": "application/json;charset=utf-8"},
    "a client without any of them": {
        "Content-Type": None, "Accept": None},
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_requests_of_existing_clients_are_taken(running, post, client):
    assert post(headers=CLIENTS[client]).status == 200


def test_a_real_curl_saves_a_panel(running, nginx, grafana):
    out = subprocess.run(
        ["curl", "-sS", "-d", json.dumps({"imageUrl": grafana.url + PANEL}),
         "-H", "Authorization: Bearer " + TOKEN, nginx.url + "/grafana-images"],
        capture_output=True, check=True)
    assert json.loads(out.stdout)["pubImg"].startswith(nginx.url)


def test_a_real_ruby_saves_a_panel(running, nginx, grafana):
    script = """
        require 'net/http'; require 'json'
        uri = URI(ARGV[0] + '/grafana-images')
        ask = Net::HTTP::Post.new(uri, 'Authorization' => 'Bearer ' + ARGV[1],
          'Content-Type' => 'application/json;charset=utf-8')
        ask.body = JSON.generate('imageUrl' => ARGV[2])
        got = Net::HTTP.start(uri.host, uri.port) { |http| http.request(ask) }
        puts JSON.parse(got.body)['pubImg']"""
    out = subprocess.run(["ruby", "-e", script, nginx.url, TOKEN,
                          grafana.url + PANEL],
                         capture_output=True, check=True, text=True)
    assert out.stdout.startswith(nginx.url)


def test_basic_credentials_are_passed_on(running, post, grafana):
    pair = base64.b64encode(b"api_key:" + TOKEN.encode()).decode()
    assert post(token=None, headers={"Authorization": "basic " + pair}).status == 200
    sent = dict(grafana.requests()[-1]["headers"])
    assert sent["Authorization"] == "Basic " + pair


# What goes wrong before Grafana is asked.

REFUSED = [
    # outcome, status, what is sent
    ("no-token", 401, dict(token=None)),
    ("no-token", 401, dict(token=None, headers={"Authorization": "Digest x"})),
    ("no-token", 401, dict(token="a, Bearer b")),
    ("malformed", 400, dict(body="imageUrl=x")),
    ("malformed", 400, dict(body="{}")),
    ("malformed", 400, dict(body='{"imageUrl": 5}')),
    ("malformed", 400, dict(body='{"imageUrl": "x\\u0000y"}')),
    ("malformed", 400, dict(body="")),
    ("malformed", 400, dict(panel="/d-solo/uid/slug")),
    ("malformed", 400, dict(body='{"imageUrl": "localhost/d/uid"}')),
    ("not-allowed", 403, dict(panel="http://elsewhere.example/d/uid")),
    ("not-allowed", 403, dict(panel="/render/goto/abc")),
    ("not-allowed", 403, dict(panel="/api/datasources/proxy/1")),
    ("not-allowed", 403, dict(headers={"Sec-Fetch-Site": "cross-site"})),
]


@pytest.mark.parametrize("outcome,status,sent", REFUSED)
def test_a_bad_request_is_refused_and_grafana_is_not_asked(
        running, post, grafana, outcome, status, sent):
    answer = post(**sent)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json["outcome"], answer.json["status"]) == (outcome, status)
    assert answer.json["title"] and answer.json["detail"]
    record = running.record()
    assert (record["outcome"], record["status"]) == (outcome, str(status))
    assert record["why"]
    assert grafana.requests() == []
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_told_which_is_allowed(running, nginx, method):
    answer = nginx.ask("/grafana-images", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    assert running.record()["outcome"] == "method"


def test_a_body_over_64_kib_is_too_large_also_without_a_web_server(
        running, fastcgi, grafana):
    body = json.dumps({"imageUrl": grafana.url + PANEL,
                       "more": "x" * 65536}).encode()
    answer = fastcgi(body)
    assert answer.status == 413
    assert running.record()["outcome"] == "too-large"


def test_a_truncated_body_is_malformed(running, fastcgi):
    answer = fastcgi(b'{"imageUrl": "x"}', CONTENT_LENGTH="70")
    assert answer.status == 400
    assert answer.body.startswith(b"malformed: ")


# What Grafana does.

MANNERS = [
    # manner, outcome, status
    ("401", "token-refused", 401),
    ("302", "token-refused", 401),
    ("302-elsewhere", "upstream", 502),
    ("302-other", "upstream", 502),
    ("301", "upstream", 502),
    ("403", "forbidden", 403),
    ("404", "not-found", 404),
    ("404-login", "not-found", 404),
    ("404-png", "not-found", 404),
    ("429", "grafana-busy", 503),
    ("400", "upstream", 502),
    ("500", "upstream", 502),
    ("503", "upstream", 502),
    ("204", "upstream", 502),
    ("206", "upstream", 502),
    ("no-renderer", "no-renderer", 502),
    ("too-many", "grafana-busy", 503),
    ("old-file", "upstream", 502),
    ("no-last-modified", "saved", 200),
    ("no-date", "saved", 200),
    ("bad-dates", "saved", 200),
    ("gzip", "not-a-png", 502),
    ("te-gzip", "not-a-png", 502),
    ("chunked", "saved", 200),
    ("close", "saved", 200),
    ("slow-first:50", "saved", 200),
    ("slow-bytes:50", "saved", 200),
    ("truncated", "upstream", 502),
    ("truncated-chunked", "upstream", 502),
    ("truncated-close", "not-a-png", 502),
    ("reset", "upstream", 502),
    ("reset-first", "upstream", 502),
    ("no-answer", "upstream", 502),
    ("two-lengths", "upstream", 502),
    ("endless", "too-big", 502),
    ("oversize:20000000", "too-big", 502),
    ("wrong-type", "saved", 200),
    ("html", "not-a-png", 502),
    ("html-as-png", "not-a-png", 502),
    ("empty", "not-a-png", 502),
    ("tail", "not-a-png", 502),
    ("bad-crc", "not-a-png", 502),
    ("bad-pixels", "not-a-png", 502),
    ("half", "not-a-png", 502),
    ("half,chunked", "not-a-png", 502),
    ("pdf", "not-a-png", 502),
    ("jpeg", "not-a-png", 502),
    ("bomb", "too-big", 502),
    ("hidden-bomb", "not-a-png", 502),
    ("endless-headers", "upstream", 502),
    ("endless-1xx", "upstream", 502),
    ("early-hints", "saved", 200),
    ("http09", "upstream", 502),
    ("garbage", "upstream", 502),
    ("set-cookie", "saved", 200),
    ("text-chunk", "saved", 200),
]


@pytest.mark.parametrize("manner,outcome,status", MANNERS)
def test_every_manner_of_grafana_has_its_outcome(
        service, post, manner, outcome, status):
    # a busy Grafana is asked again until the time is over
    service.start(answer_seconds=1 if outcome == "grafana-busy" else 50)
    before = images()
    answer = post(manner=manner)
    record = service.record()
    assert (record["outcome"], answer.status) == (outcome, status)
    assert record["status"] == str(status)
    if outcome == "saved":
        assert record["image"] == answer.json["pubImg"][-68:-56]
        return
    assert (answer.json["outcome"], answer.json["status"]) == (outcome, status)
    assert images() == before
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_wrong_token_is_token_refused(running, post):
    answer = post(token="glsa_wrong")
    assert (answer.status, answer.json["outcome"]) == (401, "token-refused")


def test_retry_after_is_grafanas_own_where_it_says(service, post):
    service.start(answer_seconds=3)
    assert post(manner="429:7").headers["Retry-After"] == "7"


def test_errors_are_a_line_of_text_for_who_does_not_ask_for_json(running, post):
    answer = post(manner="302", headers={"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(r"token-refused: Grafana refused the token\..*\n",
                        answer.text)


def test_grafana_down_is_upstream(service, post):
    service.start(grafana="http://127.0.0.1:1")
    answer = post("http://127.0.0.1:1/d/uid?viewPanel=1")
    assert (answer.status, answer.json["outcome"]) == (502, "upstream")


def test_a_name_that_nobody_knows_is_upstream(service, post):
    service.start(grafana="http://grafana.invalid")
    answer = post("http://grafana.invalid/d/uid?viewPanel=1")
    assert (answer.status, answer.json["outcome"]) == (502, "upstream")


def test_an_address_that_no_grafana_has_is_never_connected_to(
        service, post, grafana):
    port = grafana.port
    with open("/etc/hosts", "a") as f:
        f.write("169.254.169.254 metadata.test\n")
    service.start(grafana="http://metadata.test:%d" % port)
    answer = post("http://metadata.test:%d/d/uid?viewPanel=1" % port)
    assert (answer.status, answer.json["outcome"]) == (502, "upstream")
    assert "no Grafana has" in service.record()["why"]


def test_the_environments_proxy_never_sees_a_token(service, post, grafana):
    proxy = "http://127.0.0.1:1"
    service.start(environment={"http_proxy": proxy, "all_proxy": proxy,
                               "HTTPS_PROXY": proxy})
    assert post().status == 200


def test_via_connects_there_and_keeps_the_name(service, post, grafana):
    service.start(grafana="https://grafana.example.com/sub via " + grafana.url)
    answer = post("https://grafana.example.com/sub/d/uid?viewPanel=5")
    assert answer.status == 200
    asked = grafana.requests()[-1]
    assert dict(asked["headers"])["Host"] == "grafana.example.com"
    assert asked["target"].startswith("/render/d-solo/uid?")
    assert answer.json["panel"].startswith("https://grafana.example.com/sub/d/")


@pytest.mark.parametrize("seconds", ["render_seconds", "answer_seconds"])
def test_a_render_that_takes_too_long_is_slow(service, post, grafana, seconds):
    service.start(**{seconds: 1})
    answer = post(manner="hang")
    assert (answer.status, answer.json["outcome"]) == (504, "slow")
    assert int(service.record()["total_ms"]) < 3000


@pytest.mark.parametrize("manner", ["drip", "drip-head"])
def test_bytes_that_drip_do_not_outlive_the_deadline(service, post, manner):
    service.start(render_seconds=1)
    answer = post(manner=manner)
    assert (answer.status, answer.json["outcome"]) == (504, "slow")
    assert int(service.record()["total_ms"]) < 3000


def test_a_bomb_costs_no_memory(service, post):
    service.start()
    for manner in "bomb", "hidden-bomb":
        assert post(manner=manner).status == 502
    if not sanitized():
        assert service.peak_kib() < 64 * 1024


# What is kept.

def test_what_is_kept_is_clean_and_the_pixels_are_grafanas(
        running, post, get, tmp_path):
    answer = post(manner="text-chunk")
    image = get(answer.json["pubImg"]).body
    path = tmp_path / "image.png"
    path.write_bytes(image)
    out = subprocess.run(["pngcheck", "-v", str(path)], capture_output=True,
                         text=True)
    assert out.returncode == 0, out.stdout
    kinds = re.findall(r"chunk (\w{4})", out.stdout)
    assert set(kinds) <= {"IHDR", "sBIT", "sRGB", "IDAT", "IEND", "pHYs",
                          "gAMA", "cHRM"}


def test_the_store_is_as_the_interface_says(empty_store, service, post):
    service.start()
    day, name = post().json["pubImg"].split("/")[-2:]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    assert re.fullmatch(r"[0-9a-f]{64}\.png", name)
    modes = {stat.S_IMODE(os.stat(os.path.join(STORE, p)).st_mode): p
             for p in (".state", day, day + "/" + name)}
    assert set(modes) == {0o700, 0o711, 0o644}
    assert sorted(os.listdir(STORE)) == sorted([".state", day])
    assert images() == [day + "/" + name]


def test_the_same_picture_is_kept_once_and_its_time_is_renewed(
        empty_store, service, post):
    service.start()
    first = post().json["pubImg"]
    path = os.path.join(STORE, *first.split("/")[-2:])
    os.utime(path, (1, 1))
    again = post().json["pubImg"]
    assert again == first
    assert os.stat(path).st_mtime > 1_000_000_000
    assert len(images()) == 1


def test_too_little_space_is_store_full(service, post):
    service.start(min_free_bytes=10**15)
    answer = post(manner="set-cookie", panel=PANEL + "&var-unique=1")
    assert (answer.status, answer.json["outcome"]) == (507, "store-full")
    assert service.record()["outcome"] == "store-full"


def test_a_store_that_fails_is_store_failed(empty_store, service, post):
    service.start()
    day = os.path.dirname(images()[0]) if images() else None
    assert day is None
    post()
    day = os.path.dirname(images()[0])
    path = os.path.join(STORE, day)
    for name in os.listdir(path):
        os.unlink(os.path.join(path, name))
    os.chmod(path, 0)
    os.chown(path, 0, 0)
    answer = post()
    assert (answer.status, answer.json["outcome"]) == (500, "store-failed")
    assert "Permission denied" in service.record(2)["why"]


# Many at once.

def at_once(n, ask):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return [f.result() for f in [pool.submit(ask, i) for i in range(n)]]


def test_200_requests_at_once_are_all_answered_and_leave_nothing(
        service, post, grafana):
    # one credential has three quarters of the workers
    service.start(workers=268, max_renders=200)
    post()
    files = service.files()
    def let_go():
        grafana.wait(held=200)
        grafana.release()

    release = threading.Thread(target=let_go)
    release.start()
    answers = at_once(200, lambda i: post(
        "/d/cpu-load/cpu-load?viewPanel=%d&var-unique=1" % i,
        manner="hold"))
    release.join()
    assert [a.status for a in answers] == [200] * 200
    if not sanitized():
        assert service.peak_kib() < 64 * 1024
    until(lambda: service.files() <= files + 3 * 200, "connections only")
    assert not os.path.exists(os.path.join(STORE, ".partial"))


def test_more_requests_than_workers_wait_and_are_answered(
        service, post, grafana):
    service.start(workers=4, max_renders=32)
    answers = at_once(32, lambda i: post(
        "/d/cpu-load/cpu-load?viewPanel=%d" % i))
    assert [a.status for a in answers] == [200] * 32
    assert grafana.counts()["most_in_flight"] <= 4


# Secrets.

def test_a_token_is_found_nowhere(empty_store, service, post, nginx):
    service.start()
    secrets = [TOKEN, "glsa_anotherwrongone"]
    bodies = [post().body, post(token=secrets[1]).body,
              post(manner="500").body, post("/goto/x").body]
    service.stop()
    texts = [service.text(whole=True).encode(), *bodies,
             nginx.log.encode()]
    for folder, _, names in os.walk(STORE):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                texts.append(f.read())
    for secret in secrets:
        for text in texts:
            assert secret.encode() not in text


def test_no_core_is_written_and_nobody_may_look_into_the_process(running):
    with open("/proc/%d/limits" % running.pid) as f:
        limits = f.read()
    assert re.search(r"Max core file size\s+0\s+0", limits)


def test_a_query_string_is_not_logged(running, post):
    post("/d/uid?viewPanel=5&var-customer=SECRETNAME")
    assert "SECRETNAME" not in running.text()
    assert running.record()["panel"].endswith("/render/d-solo/uid")
