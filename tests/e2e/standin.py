# SPDX-License-Identifier: Apache-2.0
"""The stand-in for Grafana (tests/standin) as an object.

    with Standin(delay=2000, sub_path="/grafana") as grafana:
        ask(grafana.url + "/render/d-solo/web?panelId=5&var-manner=hold")
        grafana.wait(held=1)
        grafana.release()

Options are those of the program: port, token, basic (each one or a list),
sub_path, anonymous, login, delay (milliseconds), now (seconds since 1970).
Nothing here sleeps: start() returns once the program listens, and wait() once
a count is there.
"""

import http.client
import json
import os
import pathlib
import subprocess
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "glsa_standin"


class Standin:
    def __init__(self, program=None, **options):
        self.program = (program or os.environ.get("STANDIN") or
                        ROOT / "build" / "grafana-standin")
        self.options = options
        self.process = None
        self.url = None  # with the sub-path
        self.port = None

    def start(self, **options):
        if self.process is not None:
            raise RuntimeError("this stand-in runs already")
        self.process = subprocess.Popen(
            [str(self.program), *_arguments({**self.options, **options})],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.stdout.close()
            code = self.process.wait()
            self.process = None
            raise RuntimeError(f"the stand-in did not start, exit {code}")
        self.url = line.removeprefix("listening on ").strip()
        self.port = urllib.parse.urlsplit(self.url).port
        return self

    def stop(self):
        """Ends it; its exit code, 0 unless something is wrong with it."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return code

    def __enter__(self):
        return self if self.process is not None else self.start()

    def __exit__(self, kind, value, trace):
        code = self.stop()
        if kind is None and code != 0:
            raise RuntimeError(f"the stand-in ended with {code}")

    def get_json(self, path, method="GET"):
        """What is at a path of the server (the sub-path is not added)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            text = body.decode(errors="replace")
            raise AssertionError(f"{path}: {answer.status} {text}")
        return json.loads(body)

    def counts(self):
        return self.get_json("/standin/counts")

    def requests(self):
        """The last 100 renders and short links: method, target, headers (a list of pairs)."""
        return self.get_json("/standin/requests")

    def placeholders(self):
        """The SHA-256 of the pictures of no-renderer and too-many."""
        return self.get_json("/standin/placeholders")

    def short_link(self, key, location):
        """From now on /goto/KEY redirects there; its address."""
        query = urllib.parse.urlencode({"key": key, "to": location})
        self.get_json("/standin/short-link?" + query, "POST")
        return self.url + "/goto/" + key

    def release(self, count=None):
        """Lets held renders go on, the oldest first; how many there were."""
        query = "" if count is None else f"?count={count}"
        return self.get_json("/standin/release" + query, "POST")["released"]

    def reset(self):
        self.get_json("/standin/reset", "POST")

    def wait(self, **count):
        """wait(held=3) or wait(in_flight_at_most=0); the counts then.

        Fails after 20 seconds.
        """
        query = urllib.parse.urlencode(count)
        return self.get_json("/standin/wait?" + query)


def _arguments(options):
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            yield flag
        elif value is not None and value is not False:
            several = isinstance(value, (list, tuple))
            for one in value if several else [value]:
                yield from (flag, str(one))
