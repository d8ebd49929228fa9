"""Several machines with a balancer before them, on loopback addresses.

    with Machines(service, 3) as machines:
        answer = machines.balancer.ask("/grafana-images", "POST", ...)

Each machine has a responder and an nginx with the shipped configuration, and sees
a socket of its own at the shipped place; the store and the settings are shared. In
front is an nginx with the shipped balancer's configuration.
"""

import os
import shutil
import signal
import subprocess
import tempfile

import webservers
from service import is_ready, program_below, until, user_of_its_own

HERE = "/run/grafana-images-here"  # in each machine's nginx, another folder
LIST = "/etc/nginx/grafana-images.machines"


class Balancer(webservers.Nginx):
    name = "nginx-balancer"
    installed = ["/etc/nginx/conf.d/grafana-images-machines.conf",
                 "/etc/nginx/snippets/grafana-images-balancer.conf"]
    snippet = installed[1]
    allow_file = None

    def __init__(self, site=""):
        super().__init__(server_before=site, http_extra="""
  include /etc/nginx/conf.d/grafana-images-machines.conf;
""")


class Machine(webservers.Nginx):
    name = "nginx-machine"

    def __init__(self, address, service):
        super().__init__(http_extra="""
  set_real_ip_from 127.0.0.1;
  real_ip_header X-Forwarded-For;
""")
        self.address = address
        self.service = service
        self.responder = None
        self.own = tempfile.mkdtemp(prefix="machine-", dir="/run")
        os.chmod(self.own, 0o755)
        self.responder_log = os.path.join(self.own, "log")

    def command(self, conf):
        return ["unshare", "--mount", "--", "sh", "-c",
                'mount --bind "$0" %s && exec "$@"' % HERE, self.own,
                *super().command(conf)]

    def start_responder(self):
        with open(self.responder_log, "a") as log:
            self.responder = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--",
                 "spawn-fcgi", "-n", "-s", os.path.join(self.own, "socket"),
                 "-M", "0660", "-b", "4096", *user_of_its_own(), "--",
                 self.service.program],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.responder.poll() is not None or
              is_ready(self.responder_pid), "the responder listens")
        assert self.responder.poll() is None, self.said()

    @property
    def responder_pid(self):
        return program_below(self.responder.pid)

    def kill_responder(self):
        """As the kernel does when memory is out: no orderly stop."""
        os.kill(self.responder_pid, signal.SIGKILL)
        self.responder.wait()
        self.responder = None

    def kill(self):
        """The whole machine is away."""
        self.kill_responder()
        self._end(signal.SIGKILL)
        # its workers are not ours to wait for: until the last one has ended,
        # connections are made that nobody will answer
        until(self.refuses, "nothing listens at %s" % self.address)
        self._forget()

    def refuses(self):
        try:
            self.connect().close()
            return False
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            return False

    def said(self):
        with open(self.responder_log) as f:
            return f.read()

    def panels(self):
        """Whose panels it was asked for."""
        return {line.split(" panel=")[1].split()[0].strip('"')
                for line in self.said().splitlines() if " panel=" in line}

    def close(self):
        try:
            if self.responder is not None:
                os.kill(self.responder_pid, signal.SIGTERM)
                assert self.responder.wait(90) == 0, self.said()
            for bad in ("Sanitizer", "runtime error:"):
                assert bad not in self.said(), self.said()
        finally:
            if self.responder is not None and self.responder.poll() is None:
                self.responder.kill()
                self.responder.wait()
            shutil.rmtree(self.own, ignore_errors=True)


class Machines:
    def __init__(self, service, count, site="", **settings):
        self.service = service
        self.settings = settings
        self.all = [Machine("127.0.1.%d" % (n + 1), service)
                    for n in range(count)]
        self.balancer = Balancer(site)

    def __enter__(self):
        os.makedirs(HERE, exist_ok=True)
        if os.path.lexists(webservers.SOCKET):
            os.unlink(webservers.SOCKET)
        os.symlink(os.path.join(HERE, "socket"), webservers.SOCKET)
        try:
            for machine in self.all:
                machine.start()
            with open(LIST, "w") as f:
                f.writelines("server %s:%d;\n" % (m.address, m.port)
                             for m in self.all)
            self.balancer.start()
            self.service.configure(
                public_url=self.balancer.url + "/saved-images",
                **self.settings)
            for machine in self.all:
                machine.start_responder()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        failures = []
        for end in [self.balancer.stop] + [
                e for m in self.all for e in (m.stop, m.close)]:
            try:
                end()
            except AssertionError as e:
                failures.append(e)
        for path in (LIST, webservers.SOCKET):
            if os.path.lexists(path):
                os.unlink(path)
        if failures:
            raise failures[0]
