# SPDX-License-Identifier: Apache-2.0
"""hubot in front of a real grafana-images.

A test module names its own class after HubotEndToEnd, imports the fixtures of
hubot_bot, and has the fixtures `grafana_url`, `service_url` and `token`. The
dashboard that is asked for is Grafana's `uid`, with panels `panels`, in order.
"""

import re
import urllib.request

URL = re.compile(r"https?://\S+")


class HubotEndToEnd:
    uid = "AAy9r_bmk"
    panels = [8]

    def settings(self, grafana_url, service_url, token):
        return {"HUBOT_GRAFANA_HOST": grafana_url,
                "HUBOT_GRAFANA_API_KEY": token,
                "HUBOT_USE_GRAFANA_IMAGES": "true",
                "HUBOT_GRAFANA_IMAGES_HOST": service_url}

    def check_image(self, image, panel):
        """Override: is this the picture that Grafana drew of the panel?"""
        assert image.startswith(b"\x89PNG\r\n\x1a\n")

    def test_a_panel_asked_for_in_the_chat_opens_there_without_a_login(
            self, hubot, grafana_url, service_url, token):
        bot = hubot(self.settings(grafana_url, service_url, token))
        panel = self.panels[-1]
        bot.tell(f"hubot graf db {self.uid}:panel-{panel} now-6h")
        image, link = URL.findall(bot.hear())
        with urllib.request.urlopen(image) as reply:
            assert reply.headers["Content-Type"] == "image/png"
            self.check_image(reply.read(), panel)
        assert link.startswith(f"{grafana_url.rstrip('/')}/d/{self.uid}")
        assert bot.end() == []
        assert token not in bot.everything

    def test_all_panels_of_a_dashboard_come_in_order(
            self, hubot, grafana_url, service_url, token):
        bot = hubot(self.settings(grafana_url, service_url, token))
        bot.tell(f"hubot graf db {self.uid}")
        for panel in self.panels:
            image = URL.findall(bot.hear())[0]
            with urllib.request.urlopen(image) as reply:
                self.check_image(reply.read(), panel)
        assert bot.end() == []

    def test_a_wrong_token_is_a_sentence_and_hubot_lives(
            self, hubot, grafana_url, service_url, token):
        bot = hubot(self.settings(grafana_url, service_url, token + "x"))
        bot.tell(f"hubot graf db {self.uid}")
        said = bot.hear()
        assert "is the token right" in said or "did not accept" in said
        bot.tell("hubot graf help")
        assert "graf db UID" in bot.hear()
        assert bot.end() == []
        assert token not in bot.everything

    def test_a_service_that_is_down_is_a_sentence_each_and_hubot_lives(
            self, hubot, grafana_url, token, closed_port):
        bot = hubot(self.settings(grafana_url, closed_port, token))
        bot.tell(f"hubot graf db {self.uid}")
        for _ in self.panels:
            said = bot.hear()
            assert "cannot be reached" in said
            assert f"/d/{self.uid}" in said
        bot.tell("hubot graf help")
        assert "graf db UID" in bot.hear()
        assert bot.end() == []
