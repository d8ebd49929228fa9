# SPDX-License-Identifier: Apache-2.0
"""A Grafana and the grafana-images beside it, as far as hubot sees them."""

import http.server
import json
import struct
import threading
import urllib.parse
import zlib

UID = "AAy9r_bmk"
TOKEN = "glsa_a-token-that-nobody-may-see"


def png(number):
    """A picture of one pixel, another one for each number."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(struct.pack(">BI", 0, number)))
            + chunk(b"IEND", b""))


def dashboard(*titles):
    panels = [{"id": number, "title": title, "type": "graph"}
              for number, title in enumerate(titles, 1)]
    return {"dashboard": {"title": "Hosts", "panels": panels,
                          "templating": {"list": []}}, "meta": {}}


class Asked:
    """A POST to grafana-images."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body
        self.token = headers.get("Authorization")
        url = urllib.parse.urlsplit(json.loads(body)["imageUrl"])
        self.url = url
        self.query = dict(urllib.parse.parse_qsl(url.query, True))
        self.panel = int(self.query.get("panelId", 0))


class Stub:
    """`dashboards` are Grafana's, `answer(asked)` is grafana-images's reply:
    (status, headers, body), a function that writes one, or None to break the
    connection off.
    """

    def __init__(self):
        self.dashboards = {UID: dashboard("CPU", "Memory", "Network")}
        self.search = [{"uid": UID, "title": "Hosts", "url": f"/d/{UID}/hosts"}]
        self.token = TOKEN
        self.answer = self.saved
        self.asked = []
        self.released = threading.Event()  # set: nothing hangs any longer
        stub = self

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.reply(*stub.get(self.path, self.headers))

            def do_POST(self):
                size = int(self.headers["Content-Length"])
                asked = Asked(self.path, self.headers, self.rfile.read(size))
                stub.asked.append(asked)
                answer = stub.answer(asked)
                try:
                    if callable(answer):
                        self.close_connection = True
                        answer(self)
                    elif answer:
                        self.reply(*answer)
                    else:
                        self.close_connection = True
                except OSError:
                    pass  # the bot has gone

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def get(self, path, headers):
        url = urllib.parse.urlsplit(path)
        if url.path.startswith("/saved-images/"):
            number = int(url.path.rpartition("/")[2].removesuffix(".png"))
            return 200, {"Content-Type": "image/png"}, png(number)
        if headers.get("Authorization") != f"Bearer {self.token}":
            return as_json(401, {"message": "Invalid API key"})
        if url.path == "/api/search":
            return as_json(200, self.search)
        uid = url.path.removeprefix("/api/dashboards/uid/")
        if uid in self.dashboards:
            return as_json(200, self.dashboards[uid])
        return as_json(404, {"message": "Dashboard not found"})

    def image(self, panel):
        return f"{self.url}/saved-images/2026-11-22/{panel}.png"

    def panel(self, panel):
        return f"{self.url}/d/{UID}/?viewPanel={panel}&from=now-6h&to=now"

    def saved(self, asked):
        return as_json(200, {"pubImg": self.image(asked.panel),
                             "panel": self.panel(asked.panel)})


def as_json(status, thing, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return (status, {"Content-Type": "application/json", **names},
            json.dumps(thing).encode())


def problem(status, outcome, **headers):
    return as_json(status, {"title": outcome, "status": status,
                            "outcome": outcome, "detail": "What is wrong."},
                   **headers)


def page(status, text, kind="text/html", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": kind, **names}, text.encode()
