"""Real hubot with real hubot-grafana, through real nginx and the real program."""

import sys
import time
import urllib.request

import pytest

import standin as standin_module

sys.path.insert(0, str(standin_module.ROOT / "tests" / "hubot"))

from hubot_bot import closed_port, hubot, installed  # noqa: E402, F401
from hubot_end_to_end import URL, HubotEndToEnd  # noqa: E402

@pytest.fixture
def grafana_url(grafana):
    return grafana.url


@pytest.fixture
def service_url(service, nginx):
    service.start()
    return nginx.url


@pytest.fixture
def token(service):
    return service.token


class TestHubot(HubotEndToEnd):
    uid = "many8"
    panels = list(range(1, 9))

    def test_a_missing_renderer_is_a_sentence(
            self, hubot, grafana_url, service_url, token):
        bot = hubot(self.settings(grafana_url, service_url, token))
        bot.tell("hubot graf db many8:panel-8 now-6h manner=no-renderer")
        assert "renderer" in bot.hear()
        bot.tell("hubot graf help")
        assert "graf db UID" in bot.hear()
        assert bot.end() == []

    def test_the_link_shows_what_grafana_drew(
            self, hubot, grafana_url, service_url, token, grafana, get):
        bot = hubot(self.settings(grafana_url, service_url, token))
        bot.tell("hubot graf db many8:panel-8 now-6h")
        image = URL.findall(bot.hear())[0]
        with urllib.request.urlopen(image) as reply:
            shown = reply.read()
        asked = grafana.requests()[-1]
        with urllib.request.urlopen(urllib.request.Request(
                grafana_url.split("/render")[0] + asked["target"],
                headers={"Authorization": "Bearer " + token})) as reply:
            drawn = reply.read()
        assert pixels(shown) == pixels(drawn)
        assert bot.end() == []

    def test_25_panels_take_as_long_as_max_renders_allows(
            self, hubot, service, nginx, token):
        with standin_module.Standin(token=token, delay=1000) as slow:
            service.start(grafana=slow.url, max_renders=13)
            bot = hubot(self.settings(slow.url, nginx.url, token))
            start = time.monotonic()
            bot.tell("hubot graf db many25 now-6h")
            for _ in range(25):
                assert URL.findall(bot.hear())
            took = time.monotonic() - start
            assert bot.end() == []
            assert slow.counts()["most_in_flight"] == 13
        assert took < 12


def pixels(png):
    """The compressed pixels: what is bit for bit Grafana's."""
    out, at = b"", 8
    while at < len(png):
        size = int.from_bytes(png[at:at + 4], "big")
        if png[at + 4:at + 8] == b"IDAT":
            out += png[at + 8:at + 8 + size]
        at += 12 + size
    return out
