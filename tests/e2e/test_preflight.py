"""The dashboard is asked for first: what does not exist is not drawn.

A picture of Grafana's "Panel not found" would be saved and answered with 200.
What is not certain is left to the render.
"""

import concurrent.futures
import json
import re

import pytest

import standin
from conftest import TOKEN
from service import until

SAVED = object()


def classic(*panels, **members):
    return json.dumps({"meta": {}, "dashboard": {"panels": list(panels), **members}})


def v2(**elements):
    return json.dumps({"dashboard": {"elements": elements, "layout": {}}})


def panel(number, title="CPU", **members):
    return {"id": number, "title": title, "type": "timeseries", **members}


ROW = {"id": 90, "type": "row", "title": "Row"}
HUGE = classic(*(panel(n, "x" * 15000) for n in range(1, 1025)))  # 15 MiB
TOO_HUGE = classic(*(panel(n, "x" * 17000) for n in range(1, 1025)))

# A dashboard, the panel asked for, and whether it is saved.
DASHBOARDS = {
    "a panel that is there": (classic(panel(5)), 5, SAVED),
    "one that is not": (classic(panel(1), panel(2, "Memory")), 5,
                        'It has 1 "CPU", 2 "Memory".'),
    "one of an open row": (classic({**ROW, "panels": []}, panel(5)), 5, SAVED),
    "one of a collapsed row": (
        classic({**ROW, "collapsed": True, "panels": [panel(5)]}), 5, SAVED),
    "one that no row has": (
        classic({**ROW, "panels": [panel(4)]}), 5, 'It has 4 "CPU".'),
    "a library panel": (
        classic(panel(5, libraryPanel={"uid": "x", "name": "y"})), 5, SAVED),
    "one that no library has": (
        classic(panel(4, libraryPanel={"uid": "x"})), 5, 'It has 4 "CPU".'),
    "the rows of before 5": (
        json.dumps({"dashboard": {"rows": [{"panels": [panel(5)]}]}}), 5, SAVED),
    "none in them": (
        json.dumps({"dashboard": {"rows": [{"panels": [panel(4)]}]}}), 5,
        'It has 4 "CPU".'),
    "an element": (
        v2(a={"kind": "Panel", "spec": {"id": 5, "title": "x"}}), 5, SAVED),
    "no such element": (
        v2(a={"kind": "LibraryPanel", "spec": {"id": 4, "title": "x"}}), 5,
        'It has 4 "x".'),
    "elements below spec": (
        json.dumps({"spec": {"elements": {"a": {"spec": {"id": 4}}}}}), 5,
        'It has 4 "".'),
    "an empty dashboard": (classic(), 5, "It has no panels."),
    "a title with markup": (
        classic(panel(4, 'a"b\n<\u202e>')), 5, "It has 4 \"a'b?<?>\"."),
    "a panel that is repeated": (classic(panel(4, repeat="host")), 5, SAVED),
    "a row that is repeated": (
        classic({**ROW, "repeat": "host", "panels": [panel(4)]}), 5, SAVED),
    "a layout that repeats": (
        json.dumps({"dashboard": {"elements": {"a": {"spec": {"id": 4}}},
                                  "layout": {"repeat": {"value": "h"}}}}),
        5, SAVED),
    "a panel without a number": (classic({"title": "x"}), 5, SAVED),
    "two panels with one number": (classic(panel(4), panel(4)), 5, SAVED),
    "a form that is not known": (json.dumps({"dashboard": {"tabs": []}}), 5, SAVED),
    "another object": (json.dumps({"ok": True}), 5, SAVED),
    "an array": ("[]", 5, SAVED),
    "a page": ("<!DOCTYPE html><title>Log in</title>", 5, SAVED),
    "nothing": ("", 5, SAVED),
    "half a dashboard": (classic(panel(4))[:-2], 5, SAVED),
    "two of them": (classic(panel(4)) * 2, 5, SAVED),
    "hostile depth": ('{"dashboard": {"panels": [], "x": ' + "[" * 500000, 5, SAVED),
    "15 MiB": (HUGE, 2000, 'It has 1 "'),
    "15 MiB with the panel": (HUGE, 1024, SAVED),
    "over 16 MiB": (TOO_HUGE, 2000, SAVED),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """A folder of what the API answers."""
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="module")
def own_grafana(answers):
    with standin.Standin(token=[TOKEN, "glsa_other"], answers=str(answers)) as s:
        yield s


@pytest.fixture
def ask(service, post, own_grafana, answers):
    """ask(UID, panel): the answer, from a service that knows no dashboard yet."""
    service.stop()
    service.start(grafana=own_grafana.url)
    own_grafana.reset()

    def ask(uid, number=5, path="/d/%s/slug?viewPanel=%s&from=now-6h&to=now", **more):
        return post(own_grafana.url + path % (uid, number), **more)
    return ask


@pytest.fixture
def answer(answers):
    """answer(UID, text, kind): what Grafana is to say; gone after the test."""
    made = []

    def answer(uid, text, kind="200"):
        path = answers / ("%s.%s" % (uid, kind))
        path.write_text(text)
        made.append(path)
        return path
    yield answer
    for path in made:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_that_certainly_is_not_there_is_not_found(
        ask, answer, own_grafana, name):
    text, number, wanted = DASHBOARDS[name]
    answer("board", text)
    reply = ask("board", number)
    if wanted is SAVED:
        assert reply.status == 200
        return
    assert (reply.status, reply.json["outcome"]) == (404, "not-found")
    assert wanted in reply.json["detail"]
    assert "The dashboard board has no panel %d." % number in reply.json["detail"]
    assert own_grafana.counts()["renders"] == 0


GRAFANAS_OWN = {
    401: ("token-refused", 401), 403: ("forbidden", 403), 404: ("not-found", 404)}


@pytest.mark.parametrize("status", GRAFANAS_OWN)
def test_grafanas_own_refusal_is_one_without_a_render(ask, answer, own_grafana, status):
    answer("board", '{"message": "No", "traceID": ""}', str(status))
    reply = ask("board")
    assert (reply.json["outcome"], reply.status) == GRAFANAS_OWN[status]
    assert own_grafana.counts()["renders"] == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503])
@pytest.mark.parametrize("body", ["", "<html>no</html>", "[1]", '{"error": 1}'])
def test_what_is_not_grafanas_own_is_no_verdict(ask, answer, status, body):
    answer("board", body, str(status))
    assert ask("board").status == 200


def test_a_dashboard_that_does_not_answer_is_no_verdict(ask, answer):
    answer("board", "", "hang")
    assert ask("board").status == 200


def test_a_whole_dashboard_is_asked_for_too(ask, answer, own_grafana):
    answer("board", '{"message": "Dashboard not found"}', "404")
    reply = ask("board", "", path="/d/%s%s")
    assert reply.json["outcome"] == "not-found"
    answer("other", classic())
    assert ask("other", "", path="/d/%s%s").status == 200


@pytest.mark.parametrize("path", [
    "/dashboard/db/%s?panelId=%s&fullscreen",
    "/render/dashboard-solo/db/%s?panelId=%s",
])
def test_forms_of_grafana_before_8_are_left_to_the_render(
        ask, own_grafana, path):
    assert ask("web", path=path).status == 200
    assert own_grafana.counts()["dashboards"] == 0


@pytest.mark.parametrize("number", ["A%24panel-5", "panel-5-clone-1"])
def test_repeated_panels_are_left_to_the_render(ask, answer, number):
    answer("board", classic(panel(1)))
    assert ask("board", number).status == 200


def test_the_preflight_can_be_switched_off(service, post, own_grafana, answer):
    answer("board", classic(panel(1)))
    service.stop()
    service.start(grafana=own_grafana.url, preflight="off")
    own_grafana.reset()
    assert post(own_grafana.url + "/d/board/x?viewPanel=5").status == 200
    assert own_grafana.counts()["dashboards"] == 0


def test_a_storm_of_ten_panels_asks_for_their_dashboard_once(
        ask, answer, own_grafana):
    answer("board", classic(*(panel(n) for n in range(1, 11))))
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda n: ask("board", n % 10 + 1), range(200)))
    assert [r.status for r in replies] == [200] * 200
    assert own_grafana.counts()["dashboards"] == 1


def test_what_was_answered_is_remembered_but_for_refused_credentials(
        ask, answer, own_grafana):
    answer("board", classic(panel(1)))
    for _ in range(3):
        assert ask("board").status == 404
    assert own_grafana.counts()["dashboards"] == 1
    refused = answer("other", '{"message": "No"}', "403")
    assert ask("other").json["outcome"] == "forbidden"
    refused.unlink()
    answer("other", classic(panel(5)))
    assert ask("other").status == 200


def test_no_credential_learns_through_another_ones_rights(ask, answer, own_grafana):
    answer("board", classic(panel(1)))
    assert ask("board").status == 404
    assert ask("board", token="glsa_other").status == 404
    assert own_grafana.counts()["dashboards"] == 2


def test_the_log_says_who_decided(ask, answer, service):
    answer("board", classic(panel(1)))
    ask("board")
    line = until(lambda: re.search(r'outcome=not-found .*', service.text()),
                 "a line in the log").group(0)
    assert "The dashboard board has no panel 5." in line
    assert "viewPanel" not in line


def test_a_grafana_13_without_a_renderer_is_no_renderer(ask, answer, own_grafana):
    answer("frontend-settings", '{"rendererAvailable": false}')
    path = "/d/%s/slug?viewPanel=%s&var-manner=500"
    assert ask("web", path=path).json["outcome"] == "no-renderer"
    assert ask("web", 6, path=path).json["outcome"] == "no-renderer"
    assert own_grafana.counts()["frontend_settings"] == 1


@pytest.mark.parametrize("said, sentence", [
    ('{"rendererAvailable": true}', "Grafana failed to render the panel."),
    ('{"panels": {"rendererAvailable": false}}', "or has no image renderer"),
    ("", "or has no image renderer"),
])
def test_a_render_that_fails_is_upstream(ask, answer, said, sentence):
    answer("frontend-settings", said)
    reply = ask("web", path="/d/%s/slug?viewPanel=%s&var-manner=500")
    assert reply.json["outcome"] == "upstream"
    assert sentence in reply.json["detail"]
