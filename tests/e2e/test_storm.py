"""A thousand requests at once. The limits are generous: how quick it is, is
for "make bench" to say; here it is that all are answered, and by how much
work."""

import json
import subprocess

import pytest

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
