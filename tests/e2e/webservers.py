"""The web servers that the product ships configurations for, one class each.

    with webservers.Nginx(allow=["127.0.0.2"]) as server:
        answer = server.ask("/grafana-images/health")

Only inside tests/e2e/private: a server gets a main configuration of its own,
which includes the shipped file from /etc, and runs on a free port of 127.0.0.1.
It ends with this process at the latest.
"""

import collections
import errno
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOCKET = "/run/grafana-images.sock"
STORE = "/var/lib/grafana-images/saved-images"
SECONDS = 60  # for what takes milliseconds: a deadline, not a wait

Answer = collections.namedtuple("Answer", "status headers body")


def free_port(address="127.0.0.1"):
    """One below those that the kernel gives to clients: until a server listens on it,
    no connection gets it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first = int(f.read().split()[0])
    while True:
        with socket.socket() as s:
            try:
                s.bind((address, random.randrange(10000, max(first, 20000))))
                return s.getsockname()[1]
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise


def has_www_data():
    """A user without root has no other users in a namespace."""
    with open("/proc/self/uid_map") as f:
        return any(int(first) <= 33 < int(first) + int(count)
                   for first, _, count in map(str.split, f))


class WebServer:
    name = None
    binary = None
    needs = []  # further files of the packages it comes in
    installed = []  # the shipped files, where tests/e2e/private puts them
    allow_file = None  # where an administrator says who else may save
    address = "127.0.0.1"  # where it listens
    listens = True  # reaches a responder at SOCKET; else starts the program itself
    # What some of them cannot do.
    follows_links = False  # symbolic links in the store
    blocks_on_fifos = False  # in the store
    retry_after = True  # with its own 502 and 503
    caches_what_is_not_there = False
    passes_unknown_methods = True
    process_a_request = False  # which takes its time
    stop_signal = signal.SIGTERM
    password_modules = ""  # lines for server_extra that a password for PUT needs
    all_else_is_503 = ""  # lines for server_extra that take every other address
    bad_lines = ("[alert]", "[emerg]", ":alert]", ":emerg]", "Sanitizer",
                 "runtime error:")

    def __init__(self, allow=(), program=None, server_extra="", http_extra="",
                 monitors=(), server_before="", inside=False):
        """allow: addresses that may save beside loopback's own; monitors: that may
        ask for health and metrics.
        program: for those that start it themselves, if not /usr/bin/grafana-images.
        server_before, server_extra: lines for the main configuration, before and
        after the line that includes the shipped file.
        inside: Apache: include it in the <VirtualHost>, between the two."""
        self.allow = list(allow)
        self.monitors = list(monitors)
        self.server_before = server_before
        self.inside = inside
        self.program = program
        self.server_extra = server_extra
        self.http_extra = http_extra  # nginx: lines outside of the server block
        self.process = None
        self.port = None
        self.dir = None

    @classmethod
    def available(cls):
        return (shutil.which(cls.binary, path="/usr/sbin:/usr/bin:/sbin:/bin")
                and all(map(os.path.exists, cls.needs)) and has_www_data())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    @property
    def url(self):
        return "http://%s:%d" % (self.address, self.port)

    @property
    def log(self):
        """The error log so far, and what the server wrote before it had one."""
        text = ""
        for name in ("error.log", "output"):
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text

    # What each class says for itself.

    def configuration(self):
        raise NotImplementedError

    def command(self, conf):
        raise NotImplementedError

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    @classmethod
    def list_text(cls, addresses):
        """The lines that let these addresses ask."""
        raise NotImplementedError

    def lists(self):
        """The files that say who may ask, and the addresses for each."""
        if not self.allow_file:
            return []
        return [(self.allow_file, self.allow),
                (os.path.splitext(self.allow_file)[0] + ".monitors",
                 self.monitors)]

    def start(self):
        for path in self.installed:
            if not os.path.exists(path):
                raise RuntimeError("%s is missing; run this through "
                                   "tests/e2e/private" % path)
        # /run is the namespace's own: nothing to clean up after a SIGKILL.
        self.dir = tempfile.mkdtemp(prefix=self.name + "-", dir="/run")
        os.chmod(self.dir, 0o755)
        shutil.chown(self.dir, "www-data", "www-data")
        os.makedirs(os.path.join(self.dir, "empty"))
        self.port = free_port(self.address)
        for path, addresses in self.lists():
            if addresses:
                with open(path, "w") as f:
                    f.write(self.list_text(addresses))
        conf = os.path.join(self.dir, "main.conf")
        with open(conf, "w") as f:
            f.write(self.configuration())
        with open(os.path.join(self.dir, "output"), "wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--"] + self.command(conf),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.dir, env=self.environment(), process_group=0)
        try:
            self._wait_until_it_listens()
        except BaseException:
            self._end(signal.SIGKILL)
            self._forget()
            raise

    def _wait_until_it_listens(self):
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection((self.address, self.port), 1).close()
                return
            except OSError as e:
                why = e
            try:
                self.process.wait(0.01)
                raise RuntimeError("%s ended at once:\n%s" % (self.name, self.log))
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("%s does not listen: %s\n%s"
                                   % (self.name, why, self.log))

    def stop(self, graceful=True):
        """Let it finish what it is doing, or not (which is quicker); then its log
        must be clean."""
        if self.process is None:
            return
        died = self.process.poll()
        stopped = self._end(self.stop_signal if graceful else signal.SIGTERM)
        log = self.log
        self._forget()
        bad = [line for line in log.splitlines()
               if any(word in line for word in self.bad_lines)]
        assert not bad, "%s logged:\n%s" % (self.name, "\n".join(bad))
        assert died is None, "%s had died: %s\n%s" % (self.name, died, log)
        assert stopped, "%s did not stop:\n%s" % (self.name, log)

    def _end(self, how):
        """Its children end with it in any case."""
        in_time = True
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                in_time = False
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        return in_time

    def _forget(self):
        self.process = None
        for path, addresses in self.lists():
            if addresses and os.path.exists(path):
                os.unlink(path)
        shutil.rmtree(self.dir, ignore_errors=True)

    # Asking it.

    def connect(self, source="127.0.0.1", timeout=SECONDS):
        return socket.create_connection((self.address, self.port), timeout,
                                        (source, 0))

    def ask(self, target, method="GET", headers=(), body=None, source="127.0.0.1",
            timeout=SECONDS):
        """One request, the target's bytes sent as they are. headers: a mapping or
        pairs. body: bytes, or a list of bytes to send chunked."""
        if isinstance(target, str):
            target = target.encode("latin-1")
        head = [method.encode() + b" " + target + b" HTTP/1.1",
                b"Host: 127.0.0.1:%d" % self.port, b"Connection: close"]
        pairs = headers.items() if hasattr(headers, "items") else headers
        head += [("%s: %s" % pair).encode("latin-1") for pair in pairs]
        if isinstance(body, bytes):
            head.append(b"Content-Length: %d" % len(body))
        elif body is not None:
            head.append(b"Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in body if c)
            body += b"0\r\n\r\n"
        with self.connect(source, timeout) as s:
            try:
                s.sendall(b"\r\n".join(head) + b"\r\n\r\n" + (body or b""))
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before it was all sent; the answer is there
            return self.read(s, method)

    @staticmethod
    def read(s, method="GET"):
        """The answer on a socket; http.client raises what is wrong with it."""
        response = http.client.HTTPResponse(s, method=method)
        response.begin()
        return Answer(response.status, response.headers, response.read())


class Nginx(WebServer):
    name = "nginx"
    binary = "nginx"
    snippet = "/etc/nginx/snippets/grafana-images.conf"
    installed = ["/etc/nginx/snippets/grafana-images.conf"]
    allow_file = "/etc/nginx/grafana-images.allow"
    stop_signal = signal.SIGQUIT
    all_else_is_503 = """
    location / { return 503; }
    location ~* \\.(png|jpg)$ { return 503; }
"""

    @classmethod
    def list_text(cls, addresses):
        return "".join("allow %s;\n" % address for address in addresses)

    def command(self, conf):
        return ["nginx", "-e", self.dir + "/error.log", "-p", self.dir, "-c", conf]

    def configuration(self):
        return """
user www-data;
worker_processes 2;
daemon off;
pid {dir}/pid;
error_log {dir}/error.log info;
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log {dir}/access.log;
  client_body_temp_path {dir}/body;
  fastcgi_temp_path {dir}/fastcgi;
  proxy_temp_path {dir}/proxy;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  sendfile on;
{http_extra}
  server {{
    listen {address}:{port};
    server_name localhost;
    root {dir}/empty;
{before}
    include {snippet};
{extra}
  }}
}}
""".format(dir=self.dir, port=self.port, extra=self.server_extra,
           before=self.server_before, http_extra=self.http_extra, address=self.address,
           snippet=self.snippet)


class Apache(WebServer):
    """What the three ways have in common."""
    binary = "apache2"
    modules = []
    conf = None
    allow_file = "/etc/apache2/grafana-images.allow"
    stop_signal = signal.SIGWINCH
    all_else_is_503 = "ProxyPass / http://127.0.0.1:1/"
    module_dir = "/usr/lib/apache2/modules"

    def __init_subclass__(cls):
        cls.installed = ["/etc/apache2/conf-available/" + cls.conf]
        cls.needs = ["%s/mod_%s.so" % (cls.module_dir, m) for m in cls.modules]

    @classmethod
    def list_text(cls, addresses):
        return "".join("Require ip %s\n" % address for address in addresses)

    def command(self, conf):
        return ["apache2", "-D", "FOREGROUND", "-f", conf]

    def configuration(self):
        # What Debian enables from the start, and what the file's head asks for.
        modules = ["mpm_event", "authz_core", "authz_host", "auth_basic",
                   "authn_core", "authn_file", "authz_user", "autoindex", "dir",
                   "mime", "negotiation", "env", "alias", "headers", "setenvif",
                   "reqtimeout", "proxy", "proxy_http", "access_compat",
                   "rewrite"] + self.modules
        program = ""
        if self.program and not self.listens:
            program = "Define GRAFANA_IMAGES_PROGRAM " + self.program
        include = "Include " + self.installed[0]
        return """
ServerRoot {dir}
ServerName localhost
PidFile {dir}/pid
DefaultRuntimeDir {dir}
Mutex file:{dir} default
{load}
User www-data
Group www-data
Listen 127.0.0.1:{port}
ErrorLog {dir}/error.log
LogLevel warn
LogFormat "%h %r %>s" short
CustomLog {dir}/access.log short env=!grafana_images_private
TypesConfig /etc/mime.types
Timeout 60
KeepAlive On
GracefulShutdownTimeout 20
TraceEnable Off
StartServers 1
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
DocumentRoot {dir}/empty
<Directory />
  Options FollowSymLinks
  AllowOverride None
  Require all denied
</Directory>
<Directory {dir}/empty>
  Options Indexes FollowSymLinks
  Require all granted
</Directory>
<IfModule mod_cgid.c>
  ScriptSock {dir}/cgisock
</IfModule>
<IfModule mod_fcgid.c>
  FcgidIPCDir {dir}/fcgid
  FcgidProcessTableFile {dir}/fcgid-table
  FcgidConnectTimeout 20
</IfModule>
{program}
{everywhere}
<VirtualHost *:{port}>
{before}
{here}
{extra}
</VirtualHost>
""".format(dir=self.dir, port=self.port, program=program,
           everywhere="" if self.inside else include,
           before=self.server_before, here=include if self.inside else "",
           extra=self.server_extra,
           load="\n".join("LoadModule %s_module %s/mod_%s.so"
                          % (m, self.module_dir, m) for m in modules))


class ApacheProxyFcgi(Apache):
    name = "apache-proxy_fcgi"
    modules = ["proxy_fcgi"]
    conf = "grafana-images.conf"


class ApacheFcgid(Apache):
    name = "apache-fcgid"
    modules = ["fcgid"]
    conf = "grafana-images-fcgid.conf"
    listens = False


class ApacheCgid(Apache):
    name = "apache-cgid"
    modules = ["cgid"]
    conf = "grafana-images-cgid.conf"
    listens = False
    process_a_request = True


class Lighttpd(WebServer):
    name = "lighttpd"
    binary = "lighttpd"
    installed = ["/etc/lighttpd/conf-available/50-grafana-images.conf",
                 "/etc/lighttpd/grafana-images/text-403.html"]
    allow_file = "/etc/lighttpd/grafana-images.allow"
    retry_after = False
    caches_what_is_not_there = True
    passes_unknown_methods = False
    stop_signal = signal.SIGINT
    password_modules = 'server.modules += ( "mod_auth", "mod_authn_file" )'
    all_else_is_503 = """
server.modules += ( "mod_proxy" )
$HTTP["url"] !~ "^/(?:grafana-images|saved-images)" {
  proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => 1 )) )
}
"""

    @classmethod
    def list_text(cls, addresses):
        return "".join('$HTTP["remote-ip"] == "%s" { url.access-deny = () }\n'
                       % address for address in addresses)

    def command(self, conf):
        return ["lighttpd", "-D", "-f", conf]

    def configuration(self):
        # Debian's lighttpd.conf, with other places.
        return """
server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect" )
server.document-root = "{dir}/empty"
server.upload-dirs = ( "{dir}" )
server.errorlog = "{dir}/error.log"
server.username = "www-data"
server.groupname = "www-data"
server.bind = "127.0.0.1"
server.port = {port}
server.feature-flags += ( "server.h2proto" => "enable", "server.h2c" => "enable" )
server.feature-flags += ( "server.graceful-shutdown-timeout" => 5 )
server.http-parseopts = (
  "header-strict" => "enable",
  "host-strict" => "enable",
  "host-normalize" => "enable",
  "url-normalize-unreserved" => "enable",
  "url-normalize-required" => "enable",
  "url-ctrls-reject" => "enable",
  "url-path-2f-decode" => "enable",
  "url-path-dotseg-remove" => "enable",
)
index-file.names = ( "index.php", "index.html" )
url.access-deny = ( "~", ".inc" )
static-file.exclude-extensions = ( ".php", ".pl", ".fcgi" )
include_shell "/usr/share/lighttpd/create-mime.conf.pl"
{before}
include "{conf}"
{extra}
server.modules += ( "mod_dirlisting", "mod_staticfile" )
""".format(dir=self.dir, port=self.port, conf=self.installed[0],
           before=self.server_before, extra=self.server_extra)


class Caddy(WebServer):
    name = "caddy"
    binary = "caddy"
    installed = ["/etc/caddy/grafana-images.caddy"]
    all_else_is_503 = "  respond 503"
    follows_links = True
    blocks_on_fifos = True
    bad_lines = WebServer.bad_lines + ('"level":"panic"', '"level":"fatal"')

    def environment(self):
        return dict(super().environment(), HOME=self.dir, XDG_DATA_HOME=self.dir,
                    XDG_CONFIG_HOME=self.dir,
                    GRAFANA_IMAGES_ALLOW=" ".join(self.allow),
                    GRAFANA_IMAGES_MONITORS=" ".join(self.monitors))

    def command(self, conf):
        return ["setpriv", "--reuid", "www-data", "--regid", "www-data",
                "--init-groups", "--", "caddy", "run", "--config", conf,
                "--adapter", "caddyfile"]

    def configuration(self):
        return """
{{
  admin off
  auto_https off
  grace_period 20s
}}
http://127.0.0.1:{port} {{
  root * {dir}/empty
{before}
  import {conf}
{extra}
}}
""".format(dir=self.dir, port=self.port, conf=self.installed[0],
           before=self.server_before, extra=self.server_extra or "  respond 404")


ALL = [Nginx, ApacheProxyFcgi, ApacheFcgid, ApacheCgid, Lighttpd, Caddy]
