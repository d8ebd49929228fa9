"""TLS in front of the stand-in for Grafana."""

import contextlib
import http.client
import http.server
import os
import ssl
import subprocess
import threading


class Front(http.server.BaseHTTPRequestHandler):
    """TLS in front of the stand-in."""

    def do_GET(self):
        c = http.client.HTTPConnection("127.0.0.1", self.server.behind)
        c.request("GET", self.path, headers=dict(self.headers))
        answer = c.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        c.close()

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # who does not trust us hangs up


def make_certificate(where, name, days):
    """Signed by itself: files of the certificate and its key."""
    cert, key, order = where / "cert.pem", where / "key.pem", where / "order"
    for command in (
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=" + name, "-addext",
             "subjectAltName=DNS:" + name, "-keyout", key, "-out", order],
            ["x509", "-req", "-in", order, "-signkey", key,
             "-copy_extensions", "copy", "-days", str(days), "-out", cert]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return cert, key


@contextlib.contextmanager
def tls(grafana, where, name="secure.test", days=2):
    """A stand-in behind TLS at https://secure.test, with a certificate for that
    name: its address, and a file to trust it by."""
    cert, key = make_certificate(where, name, days)
    ca = "/etc/ca-%s.pem" % where.name
    with open(ca, "wb") as f:
        f.write(cert.read_bytes())
    with open("/etc/hosts") as f:
        hosts = f.read()
    with open("/etc/hosts", "a") as f:
        f.write("127.0.0.1 secure.test\n")
    server = Quiet(("127.0.0.1", 0), Front)
    server.behind = grafana.port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield "https://secure.test:%d" % server.server_port, ca
    finally:
        server.shutdown()
        server.server_close()
        with open("/etc/hosts", "w") as f:
            f.write(hosts)
        os.unlink(ca)
