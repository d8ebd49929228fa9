"""What reads the metrics: a parser of the text format, and a real Prometheus.

    with prom.Prometheus(config, folder) as prometheus:
        until(lambda: prometheus.query("up"), "it has scraped")

It ends with this process at the latest.
"""

import http.client
import json
import re
import subprocess
import urllib.parse

import webservers
from service import until

SAMPLE = re.compile(r'(\w+)(?:\{(\w+)="([^"\\]*)"\})? (\S+)')

# The interface: section 5, and the setting that store_free_bytes is held against.
TYPES = {
    "grafana_images_requests_total": "counter",
    "grafana_images_renders_total": "counter",
    "grafana_images_request_seconds": "histogram",
    "grafana_images_render_seconds": "histogram",
    "grafana_images_requests_in_flight": "gauge",
    "grafana_images_renders_in_flight": "gauge",
    "grafana_images_shared_total": "counter",
    "grafana_images_saved_bytes_total": "counter",
    "grafana_images_store_free_bytes": "gauge",
    "grafana_images_store_min_free_bytes": "gauge",
    "grafana_images_build_info": "gauge",
}


class Metrics:
    """metrics["requests_total", "saved"]: the sample with that label's value."""

    def __init__(self, text):
        self.text = text
        self.values = {}
        self.types = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                assert name not in self.types, line
                self.types[name] = kind
            elif not line.startswith("#"):
                name, _, label, value = SAMPLE.fullmatch(line).groups()
                assert (name, label) not in self.values, line
                self.values[name, label] = float(value)

    def __getitem__(self, key):
        name, label = key if isinstance(key, tuple) else (key, None)
        return self.values["grafana_images_" + name, label]

    def by_label(self, name):
        return {label: value for (n, label), value in self.values.items()
                if n == "grafana_images_" + name}

    def outcomes(self, name="requests_total"):
        """{outcome: count} of those that there were."""
        return {k: v for k, v in self.by_label(name).items() if v}


class Prometheus:
    def __init__(self, config, folder):
        self.config = config
        self.folder = folder
        self.process = None

    def __enter__(self):
        self.port = webservers.free_port()
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "prometheus",
             "--config.file=%s" % self.config,
             "--storage.tsdb.path=%s" % (self.folder / "data"),
             "--web.listen-address=127.0.0.1:%d" % self.port],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until(self.is_ready, "Prometheus is ready")
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_ready(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError("Prometheus ended:\n" + self.log.read())
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def ask(self, path, **query):
        status, body = self.get(path + "?" + urllib.parse.urlencode(query))
        assert status == 200, body
        return json.loads(body)["data"]

    def query(self, expression):
        """[(labels, value)] of the instant vector."""
        return [(r["metric"], float(r["value"][1]))
                for r in self.ask("/api/v1/query", query=expression)["result"]]
