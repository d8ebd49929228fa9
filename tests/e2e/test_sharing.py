"""Renders are scarce: shared, in turn, and held back when Grafana is busy."""

import base64
import http.server
import os
import signal
import threading

import pytest

from conftest import TOKEN
from service import STORE, until
from test_life import in_background
from test_save import at_once

@pytest.fixture(scope="session")
def other():
    """Another credential that the stand-in takes."""
    return {"Authorization": "Basic " + base64.b64encode(
        b"api_key:" + TOKEN.encode()).decode()}


def finish(threads):
    for thread, _ in threads:
        thread.join()
    return [box[0] for _, box in threads]


def test_a_storm_of_ten_panels_is_ten_renders(service, post, grafana):
    service.start(reuse_seconds=60)
    answers = at_once(200, lambda i: post("/d/storm?viewPanel=%d" % (i % 10)))
    assert [a.status for a in answers] == [200] * 200
    assert grafana.counts()["renders"] == 10
    assert len({a.json["pubImg"] for a in answers}) == 10
    shared = [r["shared"] for r in service.records()]
    assert (shared.count("0"), shared.count("1")) == (10, 190)


def test_who_asks_meanwhile_waits_for_the_same_render(service, post, grafana):
    service.start(reuse_seconds=60)  # who comes late is answered as well
    threads = [in_background(lambda: post(manner="hold")) for _ in range(8)]
    grafana.wait(held=1)
    grafana.release()
    assert {a.status for a in finish(threads)} == {200}
    assert grafana.counts()["renders"] == 1


def test_a_failure_is_shared_too(service, post, grafana):
    service.start()
    threads = [in_background(lambda: post(manner="hold,403"))
               for _ in range(4)]
    grafana.wait(held=1)
    # who comes late leads a render of its own
    while any(thread.is_alive() for thread, _ in threads):
        grafana.release()
    assert {a.status for a in finish(threads)} == {403}


def test_a_failure_is_not_kept(service, post, grafana):
    service.start()
    assert post(manner="500").status == post(manner="500").status == 502
    assert grafana.counts()["renders"] == 2


def test_nothing_is_shared_between_credentials(service, post, grafana, other):
    service.start()
    assert post().status == post(headers=other).status == 200
    assert post(token="glsa_wrong").status == 401
    assert grafana.counts()["renders"] == 2
    service.start(preflight="off")
    assert post(token="glsa_wrong").status == 401
    assert grafana.counts()["renders"] == 3


def test_an_image_just_saved_answers_again(service, post, grafana):
    service.start(reuse_seconds=5)
    first, again = post(), post()
    assert first.json == again.json
    assert grafana.counts()["renders"] == 1
    assert service.record(2)["shared"] == "1"


def test_reuse_can_be_turned_off(service, post, grafana):
    service.start(reuse_seconds=0)
    post()
    post()
    assert grafana.counts()["renders"] == 2


def test_an_image_that_was_taken_back_is_rendered_anew(service, post, grafana):
    service.start(reuse_seconds=600)
    first = post().json["pubImg"]
    os.unlink(os.path.join(STORE, *first.split("/")[-2:]))
    again = post()
    assert again.status == 200
    assert grafana.counts()["renders"] == 2
    assert os.path.exists(
        os.path.join(STORE, *again.json["pubImg"].split("/")[-2:]))


def ask_and_leave(nginx, service, manner):
    """A client's socket, its question sent."""
    s = nginx.connect()
    body = ('{"imageUrl": "%s&var-manner=%s"}' % (
        service.panel, manner)).encode()
    s.sendall(b"POST /grafana-images HTTP/1.1\r\nHost: x\r\n"
              b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (
                  service.token.encode(), len(body), body))
    return s


def test_a_leader_that_goes_away_does_not_cancel_what_others_wait_for(
        service, nginx, post, grafana):
    service.start()
    leader = ask_and_leave(nginx, service, "hold")
    grafana.wait(held=1)
    followers = [in_background(lambda: post(manner="hold")) for _ in range(3)]
    # nothing tells when a follower waits: the render's own count stays at one
    # either way, and who comes late leads a render of its own
    leader.close()
    record = None
    while record is None and any(t.is_alive() for t, _ in followers):
        grafana.release()
        record = service.records()[0] if service.records() else None
    while any(t.is_alive() for t, _ in followers):
        grafana.release()
    assert {a.status for a in finish(followers)} == {200}


def test_beyond_max_renders_requests_wait_their_turn(service, post, grafana):
    before = grafana.counts()["in_flight"]  # of who hangs since another test
    service.start(max_renders=2)
    threads = [in_background(lambda n=n: post("/d/q?viewPanel=%d" % n,
                                              manner="hold"))
               for n in range(6)]
    for n in (2, 4, 6):
        grafana.wait(held=2)
        assert grafana.counts()["renders"] == n
        grafana.release(2)
    assert {a.status for a in finish(threads)} == {200}
    assert grafana.counts()["most_in_flight"] <= before + 2


def test_no_turn_in_time_is_busy_and_says_when_to_come_again(
        service, post, grafana):
    service.start(max_renders=1, wait_seconds=1)
    first = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)
    answer = post("/d/other?viewPanel=1")
    assert (answer.status, answer.json["outcome"]) == (503, "busy")
    assert int(answer.headers["Retry-After"]) > 0
    grafana.release()
    assert finish([first])[0].status == 200


def test_who_follows_waits_no_longer_for_a_turn_than_who_leads(
        service, post, grafana):
    service.start(max_renders=1, wait_seconds=1)
    first = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)
    others = [in_background(lambda: post("/d/other?viewPanel=1"))
              for _ in range(3)]
    answers = finish(others)
    grafana.release()
    assert finish([first])[0].status == 200
    assert [a.json["outcome"] for a in answers] == ["busy"] * 3
    took = [int(r["total_ms"]) for r in service.records()
            if r["outcome"] == "busy"]
    assert len(took) == 3 and min(took) >= 900 and max(took) < 1800


def test_a_grafana_that_is_busy_for_an_hour_holds_nobody_beyond_wait_seconds(
        service, post, grafana):
    service.start(max_renders=1, wait_seconds=2)
    first = in_background(lambda: post(manner="hold,429:3600"))
    grafana.wait(held=1)
    files = service.files()
    waits = in_background(lambda: post("/d/waits?viewPanel=1"))
    until(lambda: service.files() > files, "it waits for a turn")
    grafana.release()
    late = post("/d/late?viewPanel=1")
    answers = [*finish([first, waits]), late]
    assert [a.json["outcome"] for a in answers] == [
        "grafana-busy", "busy", "busy"]
    assert all(0 < int(a.headers["Retry-After"]) <= 3600 for a in answers)
    assert all(int(r["total_ms"]) < 2800 for r in service.records())
    assert grafana.counts()["renders"] == 1
    service.stop()  # else the next would be held back, too


def test_one_credential_leaves_a_quarter_to_another(
        service, post, grafana, other):
    service.start(max_renders=4)
    greedy = [in_background(lambda n=n: post("/d/greedy?viewPanel=%d" % n,
                                             manner="hold"))
              for n in range(8)]
    grafana.wait(held=4)
    modest = in_background(lambda: post("/d/modest?viewPanel=1", headers=other,
                                        manner="hold"))
    # as soon as it stands in the line, the next turn that is free is its own
    seen = []
    while not any("modest" in r["target"] for r in seen):
        grafana.release(1)
        seen = grafana.requests()
    while any(t.is_alive() for t, _ in [*greedy, modest]):
        grafana.release()
    assert {a.status for a in finish([*greedy, modest])} == {200}


def test_told_to_stop_those_who_wait_are_told_to_come_again(
        service, post, grafana):
    service.start(max_renders=1)
    first = in_background(lambda: post(manner="hold"))
    grafana.wait(held=1)
    files = service.files()
    second = in_background(lambda: post("/d/second?viewPanel=1"))
    until(lambda: service.files() > files, "the second request is in")
    os.kill(service.pid, signal.SIGTERM)
    [answer] = finish([second])
    assert (answer.status, answer.json["outcome"]) == (503, "stopping")
    assert int(answer.headers["Retry-After"]) > 0
    grafana.release()
    assert finish([first])[0].status == 200
    assert service.process.wait(60) == 0
    service.process = None


class BusyGrafana(http.server.BaseHTTPRequestHandler):
    """Busy so many times, then a picture."""
    protocol_version = "HTTP/1.1"
    busy = 0
    asked = 0
    png = b""

    def do_GET(self):
        cls = type(self)
        cls.asked += 1
        busy = cls.asked <= cls.busy
        body = b"{}" if busy else cls.png
        self.send_response(429 if busy else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_busy_grafana_is_asked_again_within_the_requests_time(
        service, post, grafana, get):
    service.start()
    png = get(post().json["pubImg"]).body
    handler = type("Handler", (BusyGrafana,), {"busy": 2, "png": png})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = "http://127.0.0.1:%d" % server.server_port
        service.start(grafana=url)
        answer = post(url + "/d/uid?viewPanel=1")
        assert answer.status == 200
        assert handler.asked == 3
    finally:
        server.shutdown()
        server.server_close()
