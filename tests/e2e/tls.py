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


class Authority:
    """A root, an intermediate CA below it, and what these sign; files in a
    folder."""

    def __init__(self, where):
        self.where = where
        (where / "index").touch()
        (where / "conf").write_text(
            "[ca]\ndefault_ca=x\n[x]\ndatabase=%s/index\nrand_serial=yes\n"
            "new_certs_dir=%s\ndefault_md=sha256\npolicy=p\n"
            "copy_extensions=copy\nunique_subject=no\n[p]\n"
            "commonName=supplied\n" % (where, where))
        self.root = self.make("root", None, "CA:TRUE")
        self.intermediate = self.make("intermediate", "root", "CA:TRUE")

    def make(self, name, by, constraint="CA:FALSE", host="secure.test",
             begin="20200101000000Z", end="20990101000000Z"):
        """The file of a certificate; its key is beside it, as NAME.key."""
        path = {x: str(self.where / (name + x)) for x in (
            ".pem", ".key", ".csr")}
        subprocess.run(
            ["openssl", "req", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
             "-addext", "subjectAltName=DNS:" + host, "-addext",
             "basicConstraints=critical," + constraint, "-keyout",
             path[".key"], "-out", path[".csr"]],
            check=True, capture_output=True)
        signer = ["-selfsign", "-keyfile", path[".key"]] if by is None else [
            "-cert", str(self.where / (by + ".pem")),
            "-keyfile", str(self.where / (by + ".key"))]
        subprocess.run(
            ["openssl", "ca", "-batch", "-notext", "-config",
             str(self.where / "conf"), *signer, "-in", path[".csr"], "-out",
             path[".pem"], "-startdate", begin, "-enddate", end],
            check=True, capture_output=True)
        return path[".pem"]

    def context(self, leaf, *chain):
        """A server's, with that certificate and what it sends along."""
        together = self.where / "together.pem"
        together.write_text("".join(open(f).read() for f in (leaf, *chain)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(together, leaf.replace(".pem", ".key"))
        return context


@contextlib.contextmanager
def named(name):
    """The name leads to this machine."""
    with open("/etc/hosts") as f:
        hosts = f.read()
    with open("/etc/hosts", "a") as f:
        f.write("127.0.0.1 %s\n" % name)
    try:
        yield
    finally:
        with open("/etc/hosts", "w") as f:
            f.write(hosts)


@contextlib.contextmanager
def tls(grafana, where, name="secure.test", days=2):
    """A stand-in behind TLS at https://secure.test, with a certificate for that
    name: its address, and a file to trust it by."""
    cert, key = make_certificate(where, name, days)
    ca = "/etc/ca-%s.pem" % where.name
    with open(ca, "wb") as f:
        f.write(cert.read_bytes())
    server = Quiet(("127.0.0.1", 0), Front)
    server.behind = grafana.port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with named("secure.test"):
            yield "https://secure.test:%d" % server.server_port, ca
    finally:
        server.shutdown()
        server.server_close()
        os.unlink(ca)
