"""A thousand requests at once. The limits are generous: how quick it is, is
for "make bench" to say; here it is that all are answered, and by how much
work."""

import http.client
import json
import subprocess

import pytest

import webservers
from conftest import TOKEN
from service import SOCKET, sanitized
from standin import ROOT

LOAD = str(ROOT / "build" / "bench" / "load")
RENDER_SECONDS = 2
SECONDS = 30  # beyond a render
MANNER = "&var-manner=slow-first:%d" % (RENDER_SECONDS * 1000)


def load(grafana, where, *arguments, panel):
    out = subprocess.run(
        [LOAD, *where, *map(str, arguments), TOKEN,
         grafana.url + panel + MANNER],
        stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(out.stdout)


def by_socket(_):
    return ["-s", SOCKET]


def by_nginx(nginx):
    return ["-p", str(nginx.port)]


@pytest.mark.parametrize("way", [by_socket, by_nginx])
def test_a_thousand_posts_of_ten_panels_are_ten_renders(
        service, grafana, nginx, way):
    service.start(reuse_seconds=5)  # all else as it comes
    answer = load(grafana, way(nginx), "-c", 1000, "-k", 10,
                  panel="/d/%s?viewPanel={}1" % way.__name__)
    assert answer["statuses"] == {"200": 1000}
    assert answer["failed"] == 0
    assert grafana.counts()["renders"] == 10
    assert answer["max"] / 1000 < RENDER_SECONDS + SECONDS


def test_a_thousand_slow_renders_run_at_once(service, grafana):
    service.start(workers=1000, max_renders=1000)
    answer = load(grafana, by_socket(None), "-c", 1000,
                  panel="/d/slow?viewPanel=1&var-unique=1&var-n={}")
    assert answer["statuses"] == {"200": 1000}
    assert answer["failed"] == 0
    assert grafana.counts()["most_in_flight"] > 500
    assert answer["max"] / 1000 < RENDER_SECONDS + SECONDS
    if not sanitized():
        assert service.peak_kib() < 256 * 1024


@pytest.mark.parametrize("cls", [webservers.Nginx, webservers.ApacheProxyFcgi])
def test_connections_that_are_idle_hold_no_worker(service, grafana, cls):
    service.start(workers=1, reuse_seconds=5)
    panel = grafana.url + "/d/idle?viewPanel=1"
    idle = []
    with cls() as server:
        for _ in range(8):
            c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            c.request("POST", "/grafana-images",
                      json.dumps({"imageUrl": panel}),
                      {"Authorization": "Bearer " + TOKEN})
            assert c.getresponse().read()
            idle.append(c)
        out = subprocess.run([LOAD, "-p", str(server.port), "-c", "4", "-n",
                              "100", TOKEN, panel],
                             stdout=subprocess.PIPE, check=True, text=True)
        for c in idle:
            c.close()
    answer = json.loads(out.stdout)
    assert answer["statuses"] == {"200": 100}
    # a server's idle connections last 5 to 60 seconds; this takes milliseconds
    assert answer["max"] < (10000 if sanitized() else 4000)
    print("the longest took %.0f ms" % answer["max"])
