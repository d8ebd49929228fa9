"""Who is compared: this program, what people would write instead, and nginx
which only stores. All behind one nginx but the last."""

import os
import shutil
import socket
import subprocess

import machine

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = os.path.join(HERE, "peers")
PUBLIC = "http://127.0.0.1/saved-images"
TOKEN = "glsa_bench"

NGINX = """
worker_processes 2;
daemon off;
pid %(dir)s/nginx.pid;
error_log %(dir)s/nginx.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path %(dir)s/body;
  fastcgi_temp_path %(dir)s/fastcgi;
  proxy_temp_path %(temp)s;
  uwsgi_temp_path %(dir)s/uwsgi;
  scgi_temp_path %(dir)s/scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  fastcgi_buffers 16 16k;
%(body)s
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Process:
    """One that listens, and ends with us."""

    def __init__(self, command, log, ready, **more):
        self.log = log
        with open(log, "w") as f:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=f, stderr=f, **more)
        machine.until(lambda: self.process.poll() is not None or ready(),
                      "%s listens: see %s" % (command[0], log))
        if self.process.poll() is not None:
            with open(log) as f:
                raise SystemExit("bench: %s ended: %s" % (
                    " ".join(command), f.read()))

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        below = machine.family(self.pid)[1:]
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for one in below:
            try:
                os.kill(one, 9)
            except ProcessLookupError:
                pass


class Grafana(Process):
    def __init__(self, work, panel, delay_ms=0):
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        super().__init__(
            [os.path.join(ROOT, "build", "grafana-standin"), "--port",
             str(self.port), "--token", TOKEN, "--panel", panel, "--delay",
             str(delay_ms)],
            os.path.join(work, "grafana.log"), lambda: answers(self.port))


class Nginx(Process):
    def __init__(self, work, name, body, port, temp=None):
        folder = os.path.join(work, name)
        os.makedirs(folder, exist_ok=True)
        conf = os.path.join(folder, "nginx.conf")
        if os.geteuid() == 0:
            body = body.replace("user;", "")
        with open(conf, "w") as f:
            f.write("user root;\n" + NGINX % {
                "dir": folder, "body": body, "temp": temp or folder + "/temp"})
        super().__init__(["nginx", "-e", os.path.join(folder, "nginx.log"),
                          "-c", conf], os.path.join(folder, "out"),
                         lambda: answers(port))


class Rival(Process):
    """self.port is where its front listens, once there is one."""
    floor = False

    def __init__(self, work, store, name):
        self.name, self.work, self.store = name, work, store
        os.makedirs(store, exist_ok=True)
        self.port, self.back = free_port(), free_port()
        self.log_path = os.path.join(work, name.replace(" ", "-") + ".log")

    def run(self, command, ready=None, **environment):
        super().__init__(
            command, self.log_path, ready or (lambda: answers(self.back)),
            env={**os.environ, "STORE": self.store, "PUBLIC": PUBLIC,
                 "PORT": str(self.back), **environment})
        return self

    def front(self):
        return """
  upstream u%(port)d { server 127.0.0.1:%(back)d; keepalive 256; }
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location = /grafana-images { proxy_pass http://u%(port)d; }
  }""" % {"port": self.port, "back": self.back}


class Ours(Rival):
    def start(self, grafana, ca=None, **settings):
        self.socket = os.path.join(self.work, "socket")
        conf = os.path.join(self.work, "grafana-images.conf")
        settings = {"grafana": grafana.url, "public_url": PUBLIC,
                    "store": self.store, "min_free_bytes": 0,
                    **({"tls_ca_file": ca} if ca else {}), **settings}
        with open(conf, "w") as f:
            f.writelines("%s = %s\n" % pair for pair in settings.items())
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.run(["spawn-fcgi", "-n", "-s", self.socket, "-M", "0666", "-b",
                  "4096", "--",
                  os.path.join(ROOT, "build", "grafana-images"), "-c", conf],
                 self.is_ready)
        return self

    def is_ready(self):
        if not os.path.exists(self.socket):
            return False
        with open("/proc/%d/status" % self.pid) as f:
            text = f.read()
        return "Name:\tgrafana-images" in text and \
            int(text.split("SigCgt:\t")[1].split()[0], 16) & 1 << 14

    def front(self):
        with open(os.path.join(ROOT, "deploy", "nginx",
                               "grafana-images.conf")) as f:
            shipped = f.read()
        shipped = shipped.replace("/run/grafana-images.sock", self.socket)
        shipped = shipped.replace(
            "/var/lib/grafana-images/saved-images", self.store)
        path = os.path.join(self.work, "shipped.conf")
        with open(path, "w") as f:
            f.write(shipped)
        return "  server { listen 127.0.0.1:%d backlog=4096; include %s; }" % (
            self.port, path)


class Older(Rival):
    """Any program with the options of the older one."""

    def __init__(self, work, store, name, program):
        super().__init__(work, store, name)
        self.program = program

    def start(self, grafana, ca=None):
        return self.run([self.program, "-port", str(self.back), "-imageHost",
                         PUBLIC, "-imagePath", self.store],
                        **({"SSL_CERT_FILE": ca} if ca else {}))


class Python(Rival):
    def start(self, grafana):
        return self.run(["gunicorn", "-w", "2", "--threads", "32", "-k",
                         "gthread", "-b", "127.0.0.1:%d" % self.back,
                         "--chdir", PEERS, "python:app"])


class Node(Rival):
    def start(self, grafana):
        return self.run(["node", os.path.join(PEERS, "node.mjs")],
                        SHARP=os.path.join(ROOT, "build", "bench", "node"))


class Php(Rival):
    program = "php-fpm8.2"

    def start(self, grafana):
        conf = os.path.join(self.work, "php-fpm.conf")
        with open(conf, "w") as f:
            f.write("[global]\nerror_log = %s\ndaemonize = no\n[www]\n"
                    "listen = 127.0.0.1:%d\nlisten.backlog = 4096\n"
                    "pm = static\npm.max_children = 32\nclear_env = no\n"
                    "user = root\ngroup = root\n" % (self.log_path, self.back))
        return self.run([shutil.which(self.program), "-R", "-y", conf])

    def front(self):
        return """
  server {
    listen 127.0.0.1:%d backlog=4096;
    location = /grafana-images {
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME %s/php.php;
      fastcgi_pass 127.0.0.1:%d;
    }
  }""" % (self.port, PEERS, self.back)


class Floor(Nginx):
    """nginx stores what it proxies: no checks, no names, no sync."""
    floor = True

    def __init__(self, work, store, name):
        self.name, self.work, self.store = name, work, store
        os.makedirs(store, exist_ok=True)
        self.port = free_port()

    def start(self, grafana):
        super().__init__(self.work, "floor", """
  upstream grafana { server 127.0.0.1:%d; keepalive 64; }
  server {
    listen 127.0.0.1:%d backlog=4096;
    location / {
      proxy_pass http://grafana;
      proxy_store %s/$request_id.png;
    }
  }""" % (grafana.port, self.port, self.store), self.port,
                         os.path.join(self.store, ".temp"))
        return self

    def front(self):
        return ""
