"""Three machines behind a balancer: one render for all, and one machine lost."""

import itertools
import json
import os
import signal
import threading

import pytest

from conftest import TOKEN
from machines import Machines
from service import sanitized, until
from test_life import in_background
from test_save import at_once
from test_webservers import IMAGE, is_json_error

POSTS = int(os.environ.get("SCALE_POSTS", "200"))
STRANGER = "127.0.0.2"
CLIENTS = 16


@pytest.fixture
def several(service):
    """several(setting=value): three machines with these settings, and perhaps a
    site for the balancer."""
    service.stop()
    running = []

    def start(count=3, **settings):
        running.append(Machines(service, count, **settings).__enter__())
        return running[0]
    yield start
    for machines in running:
        machines.__exit__()


@pytest.fixture
def ask(post):
    """ask(machines, n): n's panel, through the balancer."""
    def ask(machines, n, **kw):
        return post("/d/panel-%s?viewPanel=1" % n, server=machines.balancer,
                    **kw)
    return ask


@pytest.fixture
def opens():
    def opens(machines, address):
        url = machines.balancer.url
        assert address.startswith(url + "/saved-images/"), address
        image = machines.balancer.ask(address[len(url):])
        return image.status == 200 and image.body.startswith(b"\x89PNG")
    return opens


def where(machines, n):
    """The machines that were asked for n's panel."""
    return [m for m in machines.all
            if any("panel-%s" % n in p.split("/") for p in m.panels())]


def panels_of(machines, machine, ask):
    """Ever more panels that go to this machine."""
    for n in range(1000):
        ask(machines, "of-%d" % n)
        if where(machines, "of-%d" % n) == [machine]:
            yield "of-%d" % n


def test_the_same_panel_goes_to_the_same_machine(several, ask):
    machines = several()
    for answer in at_once(20, lambda n: [ask(machines, n)
                                         for _ in range(3)]):
        assert [a.status for a in answer] == [200] * 3
    until(lambda: sum(m.said().count("outcome=saved")
                      for m in machines.all) == 60, "all is logged")
    assert [len(where(machines, n)) for n in range(20)] == [1] * 20
    assert sum(bool(m.panels()) for m in machines.all) > 1


def test_a_storm_is_one_render_of_each_panel(several, ask, grafana, opens):
    machines = several(reuse_seconds=600)
    done = itertools.count()
    answers = [a for some in at_once(
        100, lambda _: [ask(machines, next(done) % 10)
                        for _ in range(POSTS // 100)]) for a in some]
    assert [a.status for a in answers] == [200] * POSTS
    renders = grafana.counts()["renders"]
    print("%d posts, %d renders" % (POSTS, renders))
    assert renders == 10
    addresses = {a.json["pubImg"] for a in answers}
    assert len(addresses) == 10
    assert all(opens(machines, a) for a in addresses)


def test_a_body_in_chunks_is_the_same_question(several, post, grafana):
    machines = several(reuse_seconds=600)
    for room in (10, 60000):
        body = json.dumps({"imageUrl": grafana.url + "/d/chunks-%d" % room,
                           "room": "x" * room}).encode()
        pieces = [body[i:i + 1000] for i in range(0, len(body), 1000)]
        headers = {"Authorization": "Bearer " + TOKEN}
        for sent in (body, pieces):
            answer = machines.balancer.ask("/grafana-images", "POST",
                                           headers, sent)
            assert answer.status == 200
        assert sum(any("chunks-%d" % room in p.split("/") for p in m.panels())
                   for m in machines.all) == 1
    assert grafana.counts()["renders"] == 2


def test_the_machines_see_who_asks(several, ask, grafana):
    machines = several()
    answer = ask(machines, 1, source=STRANGER)
    is_json_error(answer, (403,), "refused-here")
    assert STRANGER in answer.json["detail"]
    answer = ask(machines, 1, source=STRANGER,
                 headers={"X-Forwarded-For": "127.0.0.1",
                          "X-Real-IP": "127.0.0.1"})
    assert answer.status == 403
    assert grafana.counts()["renders"] == 0


class Load:
    """Clients that ask for one panel after the other, until told to stop."""

    def __init__(self, ask):
        self.ask = ask
        self.number = itertools.count()
        self.over = threading.Event()
        self.answers = []  # (number, answer)
        self.pool = [threading.Thread(target=self.run)
                     for _ in range(CLIENTS)]

    def run(self):
        while not self.over.is_set():
            n = next(self.number)
            self.answers.append((n, self.ask(n)))

    def __enter__(self):
        for thread in self.pool:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        for thread in self.pool:
            thread.join()

    def more(self, count):
        """So many are answered that were not asked yet."""
        first = next(self.number)
        until(lambda: sum(n > first for n, _ in list(self.answers)) >= count,
              "%d more answers" % count)
        return first


MORE = 40 if sanitized() else 80


def kill_under_load(machines, ask, opens, kill):
    """Only what was under way when it is killed fails, and every link opens."""
    with Load(lambda n: ask(machines, n)) as load:
        load.more(MORE)
        before = list(load.answers)
        kill()
        killed = load.more(MORE)
    failed = [(n, a) for n, a in load.answers if a.status != 200]
    print("%d answers, %d failed" % (len(load.answers), len(failed)))
    assert [(n, a.json) for n, a in before if a.status != 200] == []
    assert [(n, a.json) for n, a in failed if n > killed] == []
    for _, answer in failed:
        is_json_error(answer, (502,), "down")
    assert all(opens(machines, a.json["pubImg"])
               for _, a in load.answers if a.status == 200)


def test_a_responder_killed_costs_only_what_it_had_begun(
        several, ask, opens):
    machines = several(workers=CLIENTS)
    kill_under_load(machines, ask, opens, machines.all[1].kill_responder)


def test_a_machine_killed_costs_only_what_it_had_begun(several, ask, opens):
    machines = several(workers=CLIENTS)
    kill_under_load(machines, ask, opens, machines.all[1].kill)


def test_a_responder_lost_is_still_one_render_of_each_panel(
        several, ask, grafana):
    machines = several(reuse_seconds=600)
    machines.all[0].kill_responder()
    answers = at_once(200, lambda n: ask(machines, n % 10))
    assert [a.status for a in answers] == [200] * 200
    assert grafana.counts()["renders"] <= 20


def test_told_to_stop_a_responder_leaves_the_rest_to_the_others(
        several, ask, grafana):
    machines = several()
    stopping = machines.all[0]
    panels = panels_of(machines, stopping, ask)
    mine, other = next(panels), next(panels)
    held = in_background(lambda: ask(machines, mine, manner="hold"))
    # the address is another one with a manner, so it may go elsewhere
    grafana.wait(held=1)
    os.kill(stopping.responder_pid, signal.SIGTERM)
    until(lambda: ask(machines, other).status == 200 and
          len(where(machines, other)) > 1, "another one answers")
    grafana.release()
    held[0].join()
    assert held[1][0].status == 200
    assert stopping.responder.wait(60) == 0
    stopping.responder = None


def test_the_balancers_site_may_have_a_login_and_a_list(several, ask, opens):
    machines = several(2, site="""
        satisfy any; deny all; auth_basic site; auth_basic_user_file /dev/null;
        error_page 401 403 404 502 =200 /page; expires 1h;
        location = /page { return 200 page; }""")
    assert machines.balancer.ask("/d/panel").body == b"page"
    machines.all[0].kill_responder()
    for n in range(6):
        answer = ask(machines, n)
        assert answer.status == 200, answer.body
        assert opens(machines, answer.json["pubImg"])
        assert set(answer.headers.get_all("Cache-Control")) == {"no-store"}
    gone = "/saved-images/2026-01-01/%s.png" % ("0" * 64)
    assert machines.balancer.ask(gone).status == 404
    assert machines.balancer.ask("/grafana-images/health").status == 200
    is_json_error(ask(machines, 7, source=STRANGER), (403,), "refused-here")


def test_nobody_there_is_said_in_the_two_shapes(several, ask):
    machines = several()
    for machine in machines.all:
        machine.kill_responder()
    is_json_error(ask(machines, 1), (502,), "down")
    answer = ask(machines, 1, headers={"Accept": None})
    assert answer.status == 502 and answer.text.startswith("down: ")
    assert answer.headers["X-Accel-Redirect"] is None
    for machine in machines.all:
        machine._end(signal.SIGKILL)
        machine._forget()
    answer = ask(machines, 1)
    is_json_error(answer, (502,), "down")
    assert "No machine" in answer.json["detail"]
    assert int(answer.headers["Retry-After"]) > 0


def test_it_is_well_while_one_machine_is(several):
    machines = several(uploads="on")
    for machine in machines.all[:2]:
        machine.kill_responder()
    for _ in range(6):
        answer = machines.balancer.ask("/grafana-images/health")
        assert (answer.status, json.loads(answer.body)["status"]) == (200, "ok")
        assert machines.balancer.ask("/grafana-images/metrics").status == 404
    machines.all[2].kill_responder()
    assert machines.balancer.ask("/grafana-images/health").status >= 500


def test_an_upload_finds_a_machine_that_is_well(several, opens):
    machines = several(uploads="on")
    machines.all[0].kill_responder()
    for n in range(20):
        answer = machines.balancer.ask(
            "/grafana-images/scale-%d.png" % n, "PUT", body=IMAGE)
        assert answer.status == 201
        assert opens(machines, json.loads(answer.body)["pubImg"])


def test_only_a_balancer_is_told_to_ask_elsewhere(several):
    machines = several()
    machine = machines.all[0]
    machine.kill_responder()
    for headers, told in (({}, None),
                          ({"X-Grafana-Images-Balancer": "@x"}, None),
                          ({"X-Grafana-Images-Balancer": "1"},
                           "@grafana_images_elsewhere")):
        answer = machine.ask("/grafana-images", "POST", headers, b"{}")
        assert answer.status == 502
        assert answer.headers["X-Accel-Redirect"] == told
