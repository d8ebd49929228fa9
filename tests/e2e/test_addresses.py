"""Every address that people have leads to its panel, or is refused with the reason."""

import base64
import concurrent.futures
import datetime
import json
import pathlib
import re
import time
import urllib.parse

import pytest

from conftest import TOKEN
from standin import Standin

BASIC = "Basic " + base64.b64encode(b"viewer:pw").decode()
PANEL = "/d/cpu-load/cpu-load?orgId=1&from=now-6h&to=now&viewPanel=panel-5"
ROWS = pathlib.Path(__file__).parents[1] / "unit" / "urls.tsv"
CANARY = "CANARY7f3a"


def target(request):
    return urllib.parse.urlsplit(request["target"])


def headers(request):
    return {k.lower(): v for k, v in request["headers"]}


# Short links


def test_a_short_link_is_saved_as_the_panel_behind_it(running, post, grafana):
    link = grafana.short_link("panel5", grafana.url + PANEL)
    answer = post(link + "?orgId=1")
    assert answer.status == 200
    assert answer.json["panel"].startswith(
        grafana.url + "/d/cpu-load/cpu-load?viewPanel=5&orgId=1&from=")
    asked, rendered = grafana.requests()
    assert asked["target"] == "/goto/panel5?orgId=1"
    assert rendered["target"].startswith("/render/d-solo/cpu-load/cpu-load?"
                                         "panelId=5&orgId=1&from=now-6h&to=now")
    for request in asked, rendered:
        assert headers(request)["authorization"] == "Bearer " + TOKEN
        assert headers(request)["x-forwarded-for"] == "127.0.0.1"
    assert running.record()["panel"] == (
        grafana.url + "/render/d-solo/cpu-load/cpu-load")


def test_grafana_is_asked_once_for_each_short_link(running, post, grafana):
    link = grafana.short_link("once", grafana.url + PANEL)
    assert post(link).status == 200
    assert grafana.counts()["short_links"] == 1
    assert grafana.counts()["renders"] == 1


def test_two_posts_of_a_short_link_share_a_render(service, post, grafana):
    service.start(reuse_seconds=60)
    link = grafana.short_link("shared", grafana.url + PANEL + "&var-s=1")
    first, second = post(link), post(link)
    assert first.json["pubImg"] == second.json["pubImg"]
    assert post(PANEL + "&var-s=1").json["pubImg"] == first.json["pubImg"]
    assert grafana.counts()["renders"] == 1


def test_a_long_address_behind_a_short_link_is_whole(running, post, grafana):
    values = "".join("&var-company=Company%%20%d" % i for i in range(300))
    link = grafana.short_link("long", grafana.url + PANEL + values)
    assert post(link).status == 200
    assert target(grafana.requests()[-1]).query.endswith(
        values + "&width=1000&height=500&hideLogo=true")


LEADS = {  # the key: where it leads, status, outcome, words of the sentence
    "again": ("/goto/again2", 403, "not-allowed", "another short link"),
    "explore": ("/explore?left=" + CANARY, 403, "not-allowed", "/explore is"),
    "outside": ("https://evil.example/d/x?a=" + CANARY, 403, "not-allowed",
                "does not serve https://evil.example/d/x."),
    "default": ("http://localhost:3000/d/x?viewPanel=5", 403, "not-allowed",
                "does not serve http://localhost:3000/d/x."),
    "snapshot": ("/dashboard/snapshot/" + CANARY, 403, "not-allowed",
                 "snapshot"),
    "nan": ("/d/x?viewPanel=NaN&var-a=" + CANARY, 400, "malformed", "template"),
    "front": ("/", 404, "not-found", "short link front"),
    "front2": ("/?orgId=1", 404, "not-found", "short link front2"),
    "unknown": (None, 404, "not-found", "short link unknown"),
    "unknown-since-13": (None, 404, "not-found", "unknown-since-13"),
    "unauthorized": (None, 401, "token-refused", ""),
    "to-login": ("/login?redirectTo=" + CANARY, 401, "token-refused", ""),
    "forbidden": (None, 403, "forbidden", ""),
    "busy": (None, 503, "grafana-busy", "short link busy"),
    "failed": (None, 502, "upstream", "answered 500"),
    "page": (None, 502, "upstream", "answered 200"),
}


@pytest.mark.parametrize("key", LEADS)
def test_a_short_link_that_leads_to_no_panel_says_why(
        running, post, grafana, key):
    location, status, outcome, words = LEADS[key]
    if location:
        grafana.short_link(key, location)
    answer = post("/goto/" + key)
    assert (answer.status, answer.json["outcome"]) == (status, outcome)
    assert words in answer.json["detail"]
    assert grafana.counts()["renders"] == 0
    assert running.record()["panel"] == grafana.url + "/goto/" + key
    assert CANARY not in running.text() + answer.text
    if key == "busy":
        assert answer.headers["Retry-After"] == "7"


def test_a_wrong_token_is_refused_at_the_short_link(running, post, grafana):
    link = grafana.short_link("panel5", grafana.url + PANEL)
    answer = post(link, token="glsa_wrong")
    assert answer.json["outcome"] == "token-refused"
    assert grafana.counts()["renders"] == 0


def test_a_short_link_that_never_answers_ends_in_time(service, post, grafana):
    service.start(answer_seconds=2)
    start = time.monotonic()
    answer = post("/goto/hang")
    assert (answer.status, answer.json["outcome"]) == (504, "slow")
    assert "short link hang" in answer.json["detail"]
    assert time.monotonic() - start < 30


def test_a_short_link_takes_no_turn_to_render(service, post, grafana):
    """One turn, and it is taken: the link is asked all the same."""
    service.start(max_renders=1)
    link = grafana.short_link("panel5", grafana.url + PANEL)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        held = pool.submit(post, "/d/held/x?viewPanel=1", manner="hold")
        grafana.wait(held=1)
        other = pool.submit(post, link)
        assert grafana.wait(short_links=1)["renders"] == 1
        grafana.release()
        assert held.result().status == other.result().status == 200


@pytest.mark.parametrize("location", [
    "https://grafana.example.com/sub/d/uid/x?viewPanel=5&from=now-6h&to=now",
    "http://127.0.0.1:%d/inner/d/uid/x?viewPanel=5&from=now-6h&to=now",
    "/sub/d/uid/x?viewPanel=5&from=now-6h&to=now",
    "/inner/d/uid/x?viewPanel=5&from=now-6h&to=now"])
def test_a_short_link_works_below_a_sub_path_and_by_via(
        service, post, location):
    with Standin(token=TOKEN, sub_path="/inner") as inner:
        service.start(grafana="https://grafana.example.com/sub via " + inner.url)
        inner.short_link("k", location.replace("%d", str(inner.port)))
        answer = post("https://grafana.example.com/sub/goto/k")
        assert answer.status == 200
        assert answer.json["panel"].startswith(
            "https://grafana.example.com/sub/d/uid/x?viewPanel=5&from=")
        asked = inner.requests()
        assert [target(r).path for r in asked] == [
            "/inner/goto/k", "/inner/render/d-solo/uid/x"]
        assert headers(asked[0])["host"] == "grafana.example.com"
        gone = post("https://grafana.example.com/sub/goto/unknown-since-13")
        assert gone.json["outcome"] == "not-found"


# Organisations


def test_a_users_organisation_is_said_in_a_header(service, post):
    with Standin(basic="viewer:pw", token=TOKEN) as grafana:
        service.start(grafana=grafana.url)
        link = grafana.short_link("k", "/d/x/y?orgId=3&viewPanel=5")
        by_user = {"Authorization": BASIC}
        assert post(grafana.url + "/d/x/y?orgId=2&viewPanel=5",
                    headers=by_user).status == 200
        assert headers(grafana.requests()[-1])["x-grafana-org-id"] == "2"
        assert post(link + "?orgId=3", headers=by_user).status == 200
        assert [headers(r)["x-grafana-org-id"]
                for r in grafana.requests()[-2:]] == ["3", "3"]
        for address in ("/d/x/y?viewPanel=5", "/d/x/y?orgId=&viewPanel=5",
                        "/d/x/y?orgId=1%0d%0aX-Evil:1&viewPanel=5"):
            assert post(grafana.url + address, headers=by_user).status == 200
            assert "x-grafana-org-id" not in headers(grafana.requests()[-1])
        assert post(grafana.url + "/d/x/y?orgId=2&viewPanel=5").status == 200
        assert "x-grafana-org-id" not in headers(grafana.requests()[-1])


# Times, time zones, days


def test_the_panels_times_are_the_moments_of_the_request(
        running, post, grafana):
    before = time.time() * 1000
    panel = post("/d/cpu/x?viewPanel=5&from=now-6h&to=now-1h").json["panel"]
    after = time.time() * 1000
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(panel).query)
    start, end = int(query["from"][0]), int(query["to"][0])
    assert end - start == 5 * 3600 * 1000
    assert before - 1 <= end + 3600 * 1000 <= after + 1
    # Grafana is asked as it was said
    assert "&from=now-6h&to=now-1h&" in grafana.requests()[-1]["target"]


def test_the_time_zone_of_the_settings_is_sent(service, post, grafana):
    service.start(tz="Europe/Berlin")
    post("/d/cpu/x?viewPanel=5&timezone=browser")
    assert grafana.requests()[-1]["target"].endswith(
        "&hideLogo=true&tz=Europe%2FBerlin")
    post("/d/cpu/x?viewPanel=5&timezone=utc")
    assert "tz=" not in grafana.requests()[-1]["target"]


@pytest.mark.parametrize("days", [1, 90])
def test_the_answer_says_until_when_the_picture_is_kept(service, post, days):
    service.start(keep_days=days)
    answer = post("/d/cpu/x?viewPanel=5").json
    day = re.search(r"/(\d{4}-\d\d-\d\d)/", answer["pubImg"]).group(1)
    assert datetime.date.fromisoformat(answer["expires"]) == (
        datetime.date.fromisoformat(day) + datetime.timedelta(days + 1))


def test_a_picture_that_is_kept_for_ever_does_not_expire(service, post):
    service.start(keep_days=0)
    assert "expires" not in post("/d/cpu/x?viewPanel=5").json


def test_an_upload_says_until_when_it_is_kept(service, nginx, post, get):
    service.start(keep_days=7, uploads="on")
    png = get(post("/d/cpu/x?viewPanel=5").json["pubImg"]).body
    today = datetime.datetime.now(datetime.timezone.utc).date()
    status, _, body = nginx.ask("/grafana-images/kept.png", "PUT", [], png)
    assert status == 201
    expires = datetime.date.fromisoformat(json.loads(body)["expires"])
    assert (expires - today).days in (8, 9)  # 9: midnight has passed


# Credentials and bodies


@pytest.mark.parametrize("size, outcome", [(16384, None), (16385, "no-token")])
def test_a_credential_may_have_16_kib(service, fastcgi, size, outcome):
    token = "eyJ" + "a" * (size - 3)
    with Standin(anonymous=True) as grafana:
        service.start(grafana=grafana.url)
        answer = fastcgi(
            json.dumps({"imageUrl": grafana.url + PANEL}).encode(),
            HTTP_AUTHORIZATION="Bearer " + token,
            HTTP_ACCEPT="application/json")
        if outcome:
            assert answer.json["outcome"] == outcome
            assert "16385 bytes" in answer.json["detail"]
        else:
            assert answer.status == 200
            assert headers(grafana.requests()[-1])["authorization"] == (
                "Bearer " + token)


def test_a_byte_order_mark_before_the_json_does_no_harm(running, post, grafana):
    body = "\ufeff" + json.dumps({"imageUrl": grafana.url + PANEL})
    assert post(body=body).status == 200


# Nothing of a query is logged


def addresses():
    """Those of the table, some of them damaged in one more way."""
    for line in ROWS.read_text().splitlines():
        columns = line.split("\t")
        if len(columns) == 5 and columns[0] in (
                "saved", "short", "malformed", "not-allowed") and \
                "\\" not in columns[1] and len(columns[1]) < 2000:
            yield columns[1]


def test_no_query_is_in_the_log_or_in_a_refusal(
        service, fastcgi, post, get, tmp_path):
    service.start()
    panel = tmp_path / "panel.png"
    panel.write_bytes(get(post().json["pubImg"]).body)
    service.begin()
    with Standin(token=TOKEN, panel=panel) as grafana:
        service.start(grafana=", ".join(
            "%s via %s" % (base, grafana.url) for base in (
                "https://grafana.example.com", "http://grafana.lan:3000",
                "https://tools.example.com/grafana")))
        outcomes = set()
        count = 0
        for address in addresses():
            path, question, query = address.partition("?")
            for spoilt in (
                    path + "&auth_token=" + CANARY + question + query,
                    address + ("&" if question else "?") +
                    "auth_token=%s&var-a=b" % CANARY,
                    address.replace("=", "=" + CANARY)):
                answer = fastcgi(
                    json.dumps({"imageUrl": spoilt}).encode(),
                    HTTP_ACCEPT="application/json")
                count += 1
                outcomes.add(answer.status)
                if answer.status != 200:
                    assert CANARY not in answer.text, spoilt
        service.record(count)
        assert count > 1000 and outcomes >= {200, 400, 403, 404}
        assert CANARY not in service.text()
        for line in service.text().splitlines():
            assert not re.search(r"[?&]\w+=", line), line


def test_what_was_asked_for_is_in_the_log_when_it_is_not_allowed(
        running, post):
    answer = post("https://user:pw7x@grafana.example.org/d/x?viewPanel=5")
    assert "pw7x" not in answer.text + running.text()
    answer = post("https://grafana.example.org/d/x?viewPanel=5")
    said = "This service does not serve https://grafana.example.org/d/x. It "
    assert answer.json["detail"].startswith(said)
    assert running.record(2)["why"].startswith(said)
    assert "viewPanel" not in running.text()


def test_an_address_that_lost_its_question_mark_is_not_another_picture(
        running, post, grafana):
    answer = post("/d/abc/name&viewPanel=5&var-customer=ACME&auth_token=SECRET")
    assert (answer.status, answer.json["outcome"]) == (400, "malformed")
    assert '"?"' in answer.json["detail"]
    assert running.record()["panel"] == ""
    assert "ACME" not in running.text() and "SECRET" not in running.text()
    assert grafana.counts()["renders"] == 0


# Addresses of IPv6 that have one of IPv4 in them


@pytest.mark.parametrize("name, address", [
    ("four.test", "169.254.169.254"), ("six.test", "64:ff9b::a9fe:a9fe")])
def test_an_address_that_no_grafana_has_is_said(service, post, name, address):
    with open("/etc/hosts") as f:
        before = f.read()
    try:
        with open("/etc/hosts", "a") as f:
            f.write("%s %s\n" % (address, name))
        service.start(grafana="http://%s:3000" % name)
        answer = post("http://%s:3000/d/x?viewPanel=5" % name)
    finally:
        with open("/etc/hosts", "w") as f:
            f.write(before)
    assert answer.json["outcome"] == "upstream"
    assert address in answer.json["detail"]
