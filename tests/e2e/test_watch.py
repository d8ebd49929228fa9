"""What is shipped for who watches the service: alerts, a dashboard, and that a real
Prometheus takes them all."""

import itertools
import json
import os
import re
import shutil
import subprocess

import pytest

import prom
from service import until

DEPLOY = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../deploy"))
ALERTS = DEPLOY + "/prometheus"
# What a histogram is asked for by.
NAMES = {n for name, kind in prom.TYPES.items() for n in (
    [name + s for s in ("_bucket", "_sum", "_count")] if kind == "histogram"
    else [name])}

with open(DEPLOY + "/grafana/grafana-images.json") as f:
    DASHBOARD = json.load(f)
PANELS = DASHBOARD["panels"]


def expressions():
    return [(panel["title"], target["expr"]) for panel in PANELS
            for target in panel["targets"]]


def filled_in(expression, interval="5m"):
    """As Grafana sends it, with every instance chosen."""
    return expression.replace("$__rate_interval", interval).replace(
        "$instance", ".*")


def names_in(text):
    return set(re.findall(r"grafana_images_\w+", text))


def promtool(*arguments):
    out = subprocess.run(["promtool", *arguments], cwd=ALERTS,
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr
    return out.stdout


# ---- The alerts


def rules():
    with open(ALERTS + "/grafana-images.rules.yml") as f:
        return f.read()


def test_each_alert_fires_when_it_should_and_only_then():
    promtool("test", "rules", "grafana-images.test.yml")


def test_each_alert_is_tested_to_fire_and_named_in_the_readme():
    alerts = set(re.findall(r"alert: (\w+)", rules()))
    with open(ALERTS + "/grafana-images.test.yml") as f:
        fired = set(re.findall(r"- alertname: (\w+)\n +eval_time: .*\n +exp_alerts",
                               f.read()))
    with open(ALERTS + "/README.md") as f:
        named = set(re.findall(r"^\| `(\w+)`", f.read(), re.M))
    assert alerts and alerts == fired == named


def test_promtool_takes_rules_and_configuration():
    promtool("check", "config", "prometheus.yml")


def test_alerts_use_only_metrics_and_outcomes_that_exist(running, nginx):
    assert names_in(rules()) <= NAMES | set(prom.TYPES)
    metrics = prom.Metrics(
        nginx.ask("/grafana-images/metrics").body.decode())
    outcomes = set(metrics.by_label("requests_total"))
    text = rules() + json.dumps(DASHBOARD).replace('\\"', '"')
    used = set("|".join(re.findall(r'outcome=~?"([^"]*)"', text)).split("|"))
    assert used and used <= outcomes


# ---- The dashboard


def test_the_dashboard_is_one_for_grafana_10():
    assert DASHBOARD["schemaVersion"] >= 38
    assert "id" not in DASHBOARD and "__inputs" not in DASHBOARD
    assert DASHBOARD["uid"] and DASHBOARD["title"]
    for panel in PANELS:
        assert panel["type"] in ("timeseries", "stat", "heatmap")
        assert panel["title"] and panel["description"].endswith(".")


def test_panels_have_numbers_of_their_own():
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids) and all(i > 0 for i in ids)
    for panel in PANELS:
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_no_panel_covers_another_or_leaves_the_grid():
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["w"] > 0 and at["h"] > 0
        assert at["x"] + at["w"] <= 24
    for a, b in itertools.combinations([p["gridPos"] for p in PANELS], 2):
        assert (a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or
                a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])


def test_whoever_looks_chooses_the_prometheus():
    kinds = {v["name"]: v["type"] for v in DASHBOARD["templating"]["list"]}
    assert kinds == {"datasource": "datasource", "instance": "query"}
    for part in [*PANELS, *(t for p in PANELS for t in p["targets"]),
                 DASHBOARD["templating"]["list"][1]]:
        assert part["datasource"] == {"type": "prometheus",
                                      "uid": "${datasource}"}


def test_it_shows_every_metric_and_none_that_does_not_exist():
    assert names_in(json.dumps(DASHBOARD)) == NAMES


# ---- A real Prometheus


@pytest.fixture
def prometheus(running, nginx, tmp_path):
    """With the shipped files, asking the service through nginx."""
    with open(ALERTS + "/prometheus.yml") as f:
        text = f.read()
    for old, new in (("grafana.example.com", nginx.url.split("//")[1]),
                     ("scheme: https", "scheme: http"),
                     ("scrape_interval: 15s", "scrape_interval: 1s")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(ALERTS + "/grafana-images.rules.yml", tmp_path)
    with prom.Prometheus(tmp_path / "prometheus.yml", tmp_path) as server:
        yield server


def test_a_real_prometheus_sees_every_request(prometheus, post, nginx):
    statuses = [post().status for _ in range(3)]
    statuses += [post(token="glsa_wrong").status, post(body="{").status]
    assert statuses == [200, 200, 200, 401, 400]
    told = prom.Metrics(nginx.ask("/grafana-images/metrics").body.decode())
    for outcome, count in told.outcomes().items():
        until(lambda: [value for _, value in prometheus.query(
            'grafana_images_requests_total{outcome="%s"}' % outcome)] == [count],
            "%s is %d" % (outcome, count))
    [target] = prometheus.ask("/api/v1/targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    kinds = {name: m[0]["type"] for name, m in prometheus.ask(
        "/api/v1/metadata").items() if name.startswith("grafana_images_")}
    assert kinds == prom.TYPES
    groups = prometheus.ask("/api/v1/rules")["groups"]
    assert {r["health"] for g in groups for r in g["rules"]} <= {"ok", "unknown"}


def test_each_panel_of_the_dashboard_has_something_to_show(prometheus, post):
    def missing():
        # rates need what happens between two scrapes
        post("/d/dashboard?viewPanel=%d" % missing.n)
        missing.n += 1
        return [title for title, expression in expressions()
                if not prometheus.query(filled_in(expression))]

    missing.n = 1
    until(lambda: missing() == [], "all of them")


def test_without_the_service_the_target_is_down(prometheus, running):
    until(lambda: prometheus.query("up == 1"), "it is up")
    running.stop()
    until(lambda: prometheus.query("up == 0"), "it is down")
