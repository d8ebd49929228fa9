# SPDX-License-Identifier: Apache-2.0
"""deploy/hubot in real hubots with real hubot-grafana, and a stub of the rest."""

import json
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from hubot_end_to_end import HubotEndToEnd
from hubot_stub import (TOKEN, UID, Stub, as_json, dashboard, page, png,
                        problem)

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy/hubot"
AT_ONCE = 16  # of index.js


def settings(stub, **more):
    return {"HUBOT_GRAFANA_HOST": stub.url, "HUBOT_GRAFANA_API_KEY": TOKEN,
            "HUBOT_USE_GRAFANA_IMAGES": "true", "HUBOT_LOG_LEVEL": "error",
            **more}


def lives(bot):
    bot.tell("hubot graf help")
    return "graf db UID" in bot.hear()


def grafana_link(stub, panel):
    """hubot-grafana's address of the panel, as Grafana since 7 has it."""
    return f"{stub.url}/d/{UID}/?viewPanel={panel}&from=now-6h&to=now"


class TestEndToEndThroughTheStub(HubotEndToEnd):
    panels = [1, 2, 3]

    @pytest.fixture
    def grafana_url(self, stub):
        return stub.url

    @pytest.fixture
    def service_url(self, stub):
        return stub.url

    @pytest.fixture
    def token(self, stub):
        return stub.token

    def check_image(self, image, panel):
        assert image == png(panel)


class TestAPanel:
    def test_is_asked_for_as_the_interface_says(self, hubot, stub):
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}:panel-2 now-12h now-6h host=web-1")
        assert stub.image(2) in bot.hear()
        asked, = stub.asked
        assert asked.path == "/grafana-images"
        assert asked.headers["Content-Type"] == "application/json"
        assert asked.headers["Accept"] == "application/json"
        assert asked.token == f"Bearer {TOKEN}"
        assert json.loads(asked.body) == {
            "imageUrl": f"{stub.url}/render/d-solo/{UID}/?panelId=2&width=1000"
                        "&height=500&from=now-12h&to=now-6h&var-host=web-1"}

    def test_is_asked_for_at_the_prefix_that_is_set(self, hubot, stub):
        bot = hubot(settings(
            stub, HUBOT_GRAFANA_IMAGES_HOST=f"{stub.url}/some/prefix/"))
        bot.tell(f"hubot graf db {UID}:1")
        assert stub.image(1) in bot.hear()
        assert stub.asked[0].path == "/some/prefix/grafana-images"

    def test_is_linked_as_the_service_says_or_else_as_hubot_grafana_does(
            self, hubot, stub):
        service = f"{stub.url}/d/{UID}/name?viewPanel=1&from=1&to=2"
        said = iter([service, None, "javascript:alert(1)"])
        stub.answer = lambda asked: as_json(
            200, {"pubImg": stub.image(1), "panel": next(said)})
        bot = hubot(settings(stub))
        for link in service, grafana_link(stub, 1), grafana_link(stub, 1):
            bot.tell(f"hubot graf db {UID}:1")
            assert bot.hear() == f"CPU: {stub.image(1)} - {link}"

    def test_without_a_title_is_called_panel(self, hubot, stub):
        stub.dashboards[UID] = dashboard("")
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}:1")
        assert bot.hear().startswith("Panel: http")

    def test_comes_from_the_command_line_too(self, hubot, stub, installed):
        if installed.name == "9":
            pytest.skip("hubot 9 has no -e")
        bot = hubot(settings(stub), execute=f"graf db {UID}:1")
        assert stub.image(1) in bot.hear()
        assert bot.end() == []

    def test_comes_where_the_script_is_a_package_before_or_after_hubot_grafana(
            self, hubot, stub):
        packages = ["hubot-grafana", "hubot-grafana-images"]
        for order in packages, packages[::-1]:
            bot = hubot(settings(stub), packages=order)
            bot.tell(f"hubot graf db {UID}:1")
            assert stub.image(1) in bot.hear()
            assert bot.end() == []

    def test_is_said_once_where_the_script_is_loaded_twice(self, hubot, stub):
        bot = hubot(settings(stub), packages=[
            "hubot-grafana-images", "hubot-grafana", "hubot-grafana-images"])
        for panel in 1, 2:
            bot.tell(f"hubot graf db {UID}:{panel}")
            assert stub.image(panel) in bot.hear()
        assert bot.end() == []
        assert len(stub.asked) == 2
        assert not any("grafana-images:" in line for line in bot.log)

    def test_is_hubot_grafanas_own_message_where_the_setting_is_not_true(
            self, hubot, stub):
        bot = hubot(settings(stub, HUBOT_USE_GRAFANA_IMAGES="false"))
        bot.tell(f"hubot graf db {UID}:1")
        assert f"{stub.url}/render/d-solo" in bot.hear()
        assert lives(bot)
        assert stub.asked == []


class TestEveryChatHasItsOwnFormat:
    def said(self, hubot, stub, adapter, **more):
        bot = hubot(settings(stub, **more), adapter=adapter)
        bot.tell(f"hubot graf db {UID}:1")
        return [bot.hear()] + bot.end()

    def test_slack_gets_an_attachment(self, hubot, stub):
        message, = self.said(hubot, stub, "slack")
        attachment, = message["attachments"]
        assert attachment["image_url"] == stub.image(1)
        assert attachment["title"] == "CPU"
        assert attachment["title_link"] == stub.panel(1)

    def test_slack_gets_text_where_threads_are_set_and_a_message_has_none(
            self, hubot, stub):
        assert self.said(hubot, stub, "slack", HUBOT_GRAFANA_USE_THREADS="1") \
            == [f"CPU: {stub.image(1)} - {stub.panel(1)}"]

    def test_hipchat_gets_the_link_first(self, hubot, stub):
        assert self.said(hubot, stub, "hipchat") \
            == [f"CPU: {stub.panel(1)} - {stub.image(1)}"]

    @pytest.mark.parametrize("adapter", [
        "rocketchat", "telegram", "bearychat", "irc"])
    def test_others_get_text_with_the_address_of_the_image_first(
            self, hubot, stub, adapter):
        assert self.said(hubot, stub, adapter) \
            == [f"CPU: {stub.image(1)} - {stub.panel(1)}"]

    @pytest.mark.parametrize("adapter", ["mattermost", "Matteruser"])
    def test_mattermost_gets_an_image_in_markdown(self, hubot, stub, adapter):
        assert self.said(hubot, stub, adapter) == [
            f"![CPU]({stub.image(1)})\n[CPU]({stub.panel(1)})"]

    def test_no_title_or_address_ends_the_markdown(self, hubot, stub):
        stub.dashboards[UID] = dashboard("a](http://evil) [b")
        stub.answer = lambda asked: as_json(200, {
            "pubImg": "http://i/1(2).png", "panel": "http://g/d/x?var-a=(b)"})
        assert self.said(hubot, stub, "mattermost") == [
            "![a\\](http://evil) \\[b](http://i/1%282%29.png)\n"
            "[a\\](http://evil) \\[b](http://g/d/x?var-a=%28b%29)"]

    def test_matrix_gets_the_address_alone_which_its_adapter_uploads(
            self, hubot, stub):
        assert self.said(hubot, stub, "matrix") \
            == [stub.image(1), f"CPU - {stub.panel(1)}"]

    def test_teams_gets_an_adaptive_card(self, hubot, stub):
        message, = self.said(hubot, stub, "MsTeamsAdapter")
        card = json.loads(message)
        assert card["type"] == "AdaptiveCard"
        assert [part.get("text", part.get("url")) for part in card["body"]] \
            == ["CPU", stub.image(1)]
        assert card["actions"][0]["url"] == stub.panel(1)

    def test_a_bucket_for_uploads_is_not_used(self, hubot, stub):
        assert stub.image(1) in self.said(
            hubot, stub, "Shell", HUBOT_GRAFANA_S3_BUCKET="bucket")[0]


class Gate:
    """Holds answers until they are let through, one by one.

    `key(asked)` is what a request is called; else it is the panel's number.
    """

    def __init__(self, stub, key=lambda asked: asked.panel):
        self.stub = stub
        self.key = key
        self.changed = threading.Condition()
        self.inside = []
        self.most = 0
        self.open = set()
        stub.answer = self.answer

    def answer(self, asked):
        key = self.key(asked)
        with self.changed:
            self.inside.append(key)
            self.most = max(self.most, len(self.inside))
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: key in self.open, 60)
            self.inside.remove(key)
            self.changed.notify_all()
        return self.stub.saved(asked)

    def wait_for(self, number):
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.inside) == number, 60), self.inside
            return list(self.inside)

    def let(self, key):
        with self.changed:
            self.open.add(key)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: key not in self.inside, 60)


class TestSeveralPanels:
    def test_are_asked_for_eight_at_a_time_and_said_in_order(self, hubot, stub):
        panels = 25
        stub.dashboards[UID] = dashboard(*(f"Panel {n}" for n in range(1, 26)))
        gate = Gate(stub)
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}")
        gate.wait_for(AT_ONCE)
        assert lives(bot)  # hears and answers while it waits
        for left in range(panels, 0, -1):  # the last one asked is the first
            inside = gate.wait_for(min(left, AT_ONCE))
            assert bot.is_silent()  # the first panel is not there yet
            gate.let(inside[-1])
        for panel in range(1, panels + 1):
            assert bot.hear() == (f"Panel {panel}: {stub.image(panel)}"
                                  f" - {stub.panel(panel)}")
        assert gate.most == AT_ONCE
        assert bot.end() == []

    @pytest.mark.parametrize("one, other", [
        ("ops", "dev"), ("@alice", "@bob"), ("@alice>hubot", "@bob>hubot"),
        ("@alice", "ops"), ("ops#1.5", "ops#2.5"), ("ops#1.5", "ops")])
    def test_of_one_conversation_do_not_hold_up_another(
            self, hubot, stub, one, other):
        gate = Gate(stub)
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}:1", one)
        bot.tell(f"hubot graf db {UID}:2", other)
        gate.wait_for(2)
        gate.let(2)
        room, said = bot.hear_in()
        assert room == other and stub.image(2) in said
        gate.let(1)
        room, said = bot.hear_in()
        assert room == one and stub.image(1) in said

    def test_of_many_are_asked_for_in_turn_with_those_of_another_person(
            self, hubot, stub):
        panels = AT_ONCE + 8
        stub.dashboards[UID] = dashboard(*map(str, range(1, panels + 1)))
        stub.dashboards["other"] = dashboard("Other", "Another")
        gate = Gate(stub, lambda asked: (
            asked.url.path.count("other") * 100 + asked.panel))
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}", "@alice")
        gate.wait_for(AT_ONCE)
        bot.tell("hubot graf db other", "@bob")
        assert lives(bot)
        inside, free = [], iter(range(1, 7))
        while 101 not in inside or 102 not in inside:
            gate.let(next(free))  # all of alice's are 8 more
            inside = gate.wait_for(AT_ONCE)

    @pytest.mark.parametrize("where", ["ops", "@alice", "ops#1.5"])
    def test_asked_for_one_after_another_are_said_in_that_order(
            self, hubot, stub, where):
        gate = Gate(stub)
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}:1", where)
        gate.wait_for(1)
        bot.tell(f"hubot graf db {UID}:2", where)
        gate.wait_for(2)
        gate.let(2)
        gate.wait_for(1)
        assert lives(bot)
        gate.let(1)
        assert stub.image(1) in bot.hear()
        assert stub.image(2) in bot.hear()

    def test_are_said_although_one_of_them_fails(self, hubot, stub):
        stub.answer = lambda asked: (problem(502, "no-renderer")
                                     if asked.panel == 2 else stub.saved(asked))
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}")
        assert stub.image(1) in bot.hear()
        assert bot.hear().startswith("Memory: Grafana has no image renderer")
        assert stub.image(3) in bot.hear()


class TestRoomsOfTheirOwn:
    def test_each_room_has_its_grafana_and_its_token(self, hubot, stub):
        other = Stub()
        try:
            other.token = "glsa_another-token"
            bot = hubot({"HUBOT_USE_GRAFANA_IMAGES": "true",
                         "HUBOT_GRAFANA_PER_ROOM": "1"})
            for room, grafana in ("ops", stub), ("dev", other):
                bot.tell(f"hubot graf set host {grafana.url}", room)
                assert bot.hear_in() == (room, "Value set for host")
                bot.tell(f"hubot graf set api_key {grafana.token}", room)
                assert bot.hear_in() == (room, "Value set for api_key")
            for room, grafana in ("dev", other), ("ops", stub):
                bot.tell(f"hubot graf db {UID}:1", room)
                heard_in, said = bot.hear_in()
                assert heard_in == room
                assert said == f"CPU: {grafana.image(1)} - {grafana.panel(1)}"
                asked, = grafana.asked
                assert asked.token == f"Bearer {grafana.token}"
        finally:
            other.close()

    def test_a_room_without_one_is_told_so(self, hubot, stub):
        bot = hubot(settings(stub, HUBOT_GRAFANA_PER_ROOM="1"))
        bot.tell(f"hubot graf db {UID}:1")
        assert bot.hear() == "No Grafana endpoint configured."
        assert lives(bot)


class TestHelp:
    def samples(self, bot):
        bot.tell("hubot graf help")
        for line in bot.hear().splitlines()[1:]:
            sample, meaning = line.split(" - ")
            yield sample, meaning

    def test_every_sample_works_and_each_says_more_than_the_last(
            self, hubot, stub):
        stub.dashboards["UID"] = dashboard(
            "CPU", "Memory", "Network", "4", "5", "6", "7", "CPU of it")
        bot = hubot(settings(stub))
        samples = [sample for sample, _ in self.samples(bot)]
        hosts = [f"- {UID}: Hosts"]
        for sample in samples[:3]:
            bot.tell(sample)
            assert bot.hear().splitlines()[1:] == hosts
        queries = []
        for sample in samples[3:]:
            stub.asked.clear()
            bot.tell(sample)
            bot.hear()
            for _ in range(7 if sample.endswith("db UID") else
                           1 if ":cpu" in sample else 0):
                bot.hear()
            queries.append([asked.query for asked in stub.asked])
        assert [len(query) for query in queries] == [8, 1, 1, 2, 2, 2, 2, 2, 1, 1]
        assert [{query["panelId"] for query in some} for some in queries[1:8]] \
            == [{"3"}, {"8"}] + 5 * [{"1", "8"}]
        times, two_times, variable, large, whole, everything = (
            query for query, *_ in queries[4:])
        assert times["from"] == "now-12h" and times["to"] == "now"
        assert two_times["from"] == "now-24h" and two_times["to"] == "now-12h"
        assert variable["var-host"] == "web-1"
        assert (large["width"], large["height"]) == ("1600", "800")
        assert "kiosk" in whole
        assert everything == {
            "panelId": "8", "width": "1600", "height": "800",
            "from": "now-24h", "to": "now-12h", "var-host": "web-1",
            "tz": "Europe/Berlin"}

    def test_calls_hubot_by_its_alias_where_it_has_one(self, hubot, stub):
        bot = hubot(settings(stub, HUBOT_ALIAS="!"))
        assert next(self.samples(bot))[0] == "! graf list"

    def test_does_not_take_a_search_for_help(self, hubot, stub):
        bot = hubot(settings(stub))
        bot.tell("hubot graf search help")
        assert "Dashboards matching `help`" in bot.hear()
        assert bot.end() == []


# What the service or the web server says, and words of what hubot then says.
FAILURES = [
    (problem(400, "malformed"), "does not take this for the address"),
    (problem(401, "no-token"), "has no Grafana token (HUBOT_GRAFANA_API_KEY"),
    (problem(401, "token-refused"), "did not accept hubot's token"),
    (problem(403, "forbidden"), "does not show this panel"),
    (problem(403, "not-allowed"), "may not save panels of this Grafana"),
    (problem(404, "not-found"), "Grafana does not find this panel"),
    (problem(405, "method"), "does not understand hubot"),
    (problem(413, "too-large"), "The request is too large"),
    (problem(500, "internal"), "grafana-images has failed"),
    (problem(500, "store-failed"), "cannot save images"),
    (problem(502, "no-renderer"), "Grafana has no image renderer"),
    (problem(502, "not-a-png"), "something that is no image"),
    (problem(502, "too-big"), "smaller width and height"),
    (problem(502, "upstream"), "Grafana did not answer grafana-images"),
    (problem(503, "busy", Retry_After="600"), "has too much to do"),
    (problem(503, "grafana-busy", Retry_After="600"), "as much as it can"),
    (problem(503, "stopping", Retry_After="600"), "is being restarted"),
    (problem(504, "slow"), "Grafana took too long"),
    (problem(507, "store-full"), "has no room left"),
    (problem(418, "teapot"), "hubot does not know"),
    (problem(500, "constructor"), "hubot does not know"),
    # in text
    (page(502, "no-renderer: ...\n", "text/plain"), "no image renderer"),
    (page(403, "refused-here: ...\n", "text/plain"), "web server does not let"),
    (page(429, "rate: ...\n", "text/plain"), "asks too often"),
    (page(503, "down: ...\n", "text/plain"), "is not running"),
    # a web server that knows nothing of the words
    (page(401, "<html>401"), "web server does not let"),
    (page(403, "<html>403"), "web server does not let"),
    (page(404, "<html>404"), "There is no grafana-images at this address"),
    (page(413, "<html>413"), "The request is too large"),
    (page(429, "<html>429"), "asks too often"),
    (page(502, "<html>502"), "is not running"),
    (page(504, "<html>504"), "did not answer in time"),
    (page(301, "", Location="https://elsewhere.example/"), "sends hubot else"),
    (page(302, "", Location="/login"), "sends hubot elsewhere"),
    # no answer of grafana-images
    (page(200, "<html>Grafana"), "Something that is not grafana-images"),
    (page(200, ""), "Something that is not grafana-images"),
    (page(200, '{"pubImg": "http://' + 100000 * "x" + '"}'), "Something that"),
    (None, "cannot be reached"),  # breaks off
    # no usable address
    *((as_json(200, reply), "without a usable address") for reply in (
        None, [], "http://i/1.png", {}, {"pubImg": None}, {"pubImg": 7},
        {"pubImg": ["http://i/1.png"]}, {"pubImg": ""}, {"pubImg": "/1.png"},
        {"pubImg": "javascript:alert(1)"}, {"pubImg": "ftp://i/1.png"},
        {"pubImg": "http://i/1.png\n@everyone"}, {"pubImg": "http://i/ 1.png"},
        {"pubImg": "http://i/<b>"}, {"pubImg": 'http://i/"'},
        {"pubImg": "http://i/ü.png"}, {"pubImg": "http://i/" + 2048 * "x"},
        {"pubImg": "<html>"}, {"pubImg": f"http://i/?{TOKEN}"})),
]


class TestWhatGoesWrong:
    def test_every_failure_is_a_sentence_with_the_link_and_hubot_lives(
            self, hubot, stub):
        stub.dashboards[UID] = dashboard(
            *(f"No. {number}" for number in range(len(FAILURES))))
        stub.answer = lambda asked: FAILURES[asked.panel - 1][0]
        bot = hubot(settings(stub, HUBOT_GRAFANA_MAX_RETURNED_DASHBOARDS="99"))
        bot.tell(f"hubot graf db {UID}")
        wrong = []
        for number, (reply, words) in enumerate(FAILURES):
            said = bot.hear()
            if not (said.startswith(f"No. {number}: ") and words in said
                    and said.endswith(grafana_link(stub, number + 1))):
                wrong.append((reply, words, said))
        assert wrong == []
        assert lives(bot)
        assert bot.end() == []
        assert len(stub.asked) == len(FAILURES)  # and none of them twice
        assert len([line for line in bot.log if "grafana-images:" in line]) \
            == len(FAILURES)
        assert TOKEN not in bot.everything

    def test_a_service_that_is_down_is_a_sentence(
            self, hubot, stub, closed_port):
        bot = hubot(settings(stub, HUBOT_GRAFANA_IMAGES_HOST=closed_port))
        bot.tell(f"hubot graf db {UID}:1")
        said = bot.hear()
        assert said.startswith("CPU: grafana-images cannot be reached")
        assert said.endswith(grafana_link(stub, 1))
        assert lives(bot)
        bot.end()
        assert any("ECONNREFUSED" in line for line in bot.log)

    @pytest.mark.parametrize("host", [
        "grafana.example.com", "http://u:secret@127.0.0.1:9", "ftp://x"])
    def test_a_host_that_is_no_address_is_a_sentence(self, hubot, stub, host):
        bot = hubot(settings(stub, HUBOT_GRAFANA_IMAGES_HOST=host))
        bot.tell(f"hubot graf db {UID}:1")
        assert "cannot be reached" in bot.hear()
        assert lives(bot)
        bot.end()
        assert "secret" not in bot.everything

    def test_a_service_that_does_not_answer_in_time_is_a_sentence(
            self, hubot, stub):
        def stall(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
            stub.released.wait(60)
        stub.answer = lambda asked: (stall if asked.panel == 1 else
                                     stub.released.wait(60) and None)
        bot = hubot(settings(stub, HUBOT_GRAFANA_IMAGES_TIMEOUT="0.3"))
        for panel, title in (1, "CPU"), (2, "Memory"):
            bot.tell(f"hubot graf db {UID}:{panel}")
            said = bot.hear()
            assert said.startswith(f"{title}: grafana-images did not answer in")
            assert said.endswith(grafana_link(stub, panel))
        assert lives(bot)

    @pytest.mark.parametrize("timeout", ["55000", "soon"])
    def test_a_timeout_that_is_none_is_logged_and_not_used(
            self, hubot, stub, timeout):
        bot = hubot(settings(stub, HUBOT_GRAFANA_IMAGES_TIMEOUT=timeout))
        bot.tell(f"hubot graf db {UID}:1")
        assert stub.image(1) in bot.hear()
        bot.end()
        assert any("HUBOT_GRAFANA_IMAGES_TIMEOUT" in line for line in bot.log)

    @pytest.mark.parametrize("status,outcome", [(503, "busy"), (429, "rate")])
    def test_a_busy_service_is_asked_once_more_when_it_says(
            self, hubot, stub, status, outcome):
        times = []

        def answer(asked):
            times.append(time.monotonic())
            return problem(status, outcome, Retry_After="1") \
                if len(times) == 1 else stub.saved(asked)
        stub.answer = answer
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}:1")
        assert stub.image(1) in bot.hear()
        assert times[1] - times[0] >= 0.9

    def test_a_service_that_stays_busy_is_not_asked_a_third_time(
            self, hubot, stub):
        stub.answer = lambda asked: problem(503, "busy", Retry_After="0")
        bot = hubot(settings(stub))
        bot.tell(f"hubot graf db {UID}:1")
        assert "has too much to do" in bot.hear()
        assert bot.end() == []
        assert len(stub.asked) == 2

    def test_a_chat_that_takes_no_message_does_not_end_hubot(self, hubot, stub):
        for adapter in "slack", "matrix", "Shell":
            bot = hubot(settings(stub, CAPTURE_REFUSES="all"), adapter=adapter)
            bot.tell(f"hubot graf db {UID}")
            bot.tell("hubot graf db unknown")
            bot.tell("hubot graf list")
            bot.tell("hubot graf search web")
            bot.tell("hubot graf help")
            bot.tell("hubot graf set host x")
            bot.end()
            assert len(bot.refused) >= 8
            assert any("did not take a message" in line for line in bot.log)

    def test_no_token_is_logged_or_said_at_any_level(self, hubot, stub):
        stub.answer = lambda asked: as_json(500, {
            "outcome": "internal", "detail": f"I got Bearer {TOKEN}"})
        bot = hubot(settings(stub, HUBOT_LOG_LEVEL="trace"))
        bot.tell(f"hubot graf db {UID}")
        bot.tell("hubot graf list")
        bot.end()
        assert stub.asked[0].token == f"Bearer {TOKEN}"
        assert "I got Bearer (token)" in bot.everything
        assert TOKEN not in bot.everything

    def test_a_bot_without_hubot_grafana_logs_it_and_lives(
            self, hubot, stub, installed, tmp_path):
        alone = tmp_path / "alone"
        (alone / "node_modules").mkdir(parents=True)
        for package in (installed / "node_modules").iterdir():
            if package.name == "hubot":  # a link would lead back to all packages
                shutil.copytree(package, alone / "node_modules/hubot")
            elif not package.name.startswith((".", "hubot-grafana")):
                (alone / "node_modules" / package.name).symlink_to(package)
        (alone / "node_modules/hubot-grafana-images").symlink_to(DEPLOY)
        bot = hubot(settings(stub, CAPTURE_WAITS_FOR="help"), installed=alone,
                    packages=["hubot-grafana-images"])
        assert lives(bot)
        bot.end()
        assert any("is hubot-grafana 7 installed?" in line for line in bot.log)


class TestWhatGrafanaItselfSays:
    @pytest.mark.parametrize("like", ["7.0.3", "7.2"])
    def test_is_a_sentence_with_the_reason_and_hubot_lives(
            self, hubot, stub, like, closed_port):
        more = {"LIKE_7_2": "1"} if like == "7.2" else {}
        stub.dashboards["broken"] = {"dashboard": {"panels": [{"id": 1}]}}
        stub.dashboards["empty"] = {"dashboard": {}}
        stub.token = "glsa_the-new-one"
        refused = hubot(settings(stub, **more))
        down = hubot(settings(stub, HUBOT_GRAFANA_HOST=closed_port, **more))
        for bot, host, why in ((refused, stub.url, "Invalid API key"),
                               (down, closed_port, "ECONNREFUSED")):
            bot.tell(f"hubot graf db {UID}:1")
            said = bot.hear()
            assert said.startswith(f"Grafana ({host})") and why in said
            assert said.endswith(f"{host}/d/{UID}")
            for command in "list", "search web", "alerts", "pause all alerts":
                bot.tell(f"hubot graf {command}")
                assert why in bot.hear()
            assert lives(bot)
            assert bot.end() == []
            assert TOKEN not in bot.everything
        stub.token = TOKEN
        bot = hubot(settings(stub, **more))
        for uid, words in (("unknown", "Dashboard not found"),
                           ("hosts", f"again with `{UID}`"),
                           (f"{UID}:panel-9", "Could not locate desired panel"),
                           ("empty", "Dashboard empty."),
                           ("broken", "does not understand this dashboard")):
            bot.tell(f"hubot graf db {uid}")
            assert words in bot.hear()
        assert lives(bot)
        assert bot.end() == []

    def test_works_with_what_hubot_grafana_7_2_does_differently(
            self, hubot, stub):
        stub.dashboards[UID]["dashboard"]["panels"][0]["type"] = "row"
        stub.answer = lambda asked: (problem(502, "no-renderer")
                                     if asked.panel == 3 else stub.saved(asked))
        bot = hubot(settings(stub, LIKE_7_2="1"), adapter="slack")
        bot.tell(f"hubot graf db {UID}")
        assert bot.hear()["attachments"][0]["image_url"] == stub.image(2)
        assert "Network: Grafana has no image renderer" in bot.hear()
        bot.tell("hubot graf search web")
        assert f"- {UID}: Hosts" in bot.hear()
        bot.tell("hubot graf set host x")
        assert "HUBOT_GRAFANA_PER_ROOM" in bot.hear()
        assert lives(bot)
        assert bot.end() == []


class TestThePackage:
    def test_has_what_it_needs_and_nothing_else(self):
        packed = subprocess.run(
            ["npm", "pack", "--dry-run", "--json"], cwd=DEPLOY, check=True,
            capture_output=True, text=True)
        files = {entry["path"] for entry in json.loads(packed.stdout)[0]["files"]}
        assert files == {"README.md", "package.json", "index.js", "post.js",
                         "sentences.js"}

    def test_depends_on_nothing_but_what_the_bot_has(self):
        package = json.loads((DEPLOY / "package.json").read_text())
        assert package["license"] == "Apache-2.0"
        assert "dependencies" not in package
        assert set(package["peerDependencies"]) == {"hubot", "hubot-grafana"}
