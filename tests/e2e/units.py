"""systemd's part, played by the test: what deploy/systemd says is done as it says.

    with units.Manager() as manager:      # holds the socket of the .socket
        manager.start()                   # the .service's command, until READY=1
        manager.stop()                    # SIGTERM, until it has ended

Only inside tests/e2e/private. systemd itself does not run on every machine that
builds this; its confinement of a service is therefore checked, not applied.
"""

import collections
import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import service
import webservers

FOLDER = os.path.abspath(os.path.join(os.path.dirname(__file__),
                                      "../../deploy/systemd"))
PROGRAM = "/usr/bin/grafana-images"
FILES = sorted(glob.glob(FOLDER + "/grafana-images*.*"))
SERVICES = [f for f in FILES if f.endswith(".service")]


def path(name):
    return os.path.join(FOLDER, name)


def read(*names):
    """{section: {key: [value, ...]}} of a unit and its drop-ins."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for name in names:
        section = None
        with open(path(name)) as f:
            for line in f.read().splitlines():
                if line.startswith("["):
                    section = found[line.strip("[]")]
                elif line and line[0] not in "#;":
                    key, value = line.split("=", 1)
                    section[key].append(value)
    return found


def seconds(value):
    """A span of time as the units here have it."""
    number, unit = re.fullmatch(r"(\d+)(s|min)?", value).groups()
    return int(number) * (60 if unit == "min" else 1)


class Manager:
    def __init__(self, name="grafana-images.service", root=None, program=None,
                 notify="path", drop_ins=()):
        """root: where the package is installed, which has everything. Else program
        takes the place of /usr/bin/grafana-images, and a user that this machine
        has that of the unit's. notify: a path, or abstract."""
        self.unit = read(name, *drop_ins)["Service"]
        self.root = root
        self.program = program
        self.process = None
        self.dir = tempfile.mkdtemp(prefix="systemd-", dir="/run")
        os.chmod(self.dir, 0o755)
        self.log_path = os.path.join(self.dir, "log")
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.settimeout(webservers.SECONDS)
        self.notify = os.path.join(self.dir, "notify")
        if notify == "abstract":
            self.notify = "@" + self.notify
        self.notified.bind(self.notify.replace("@", "\0"))
        if notify == "path":
            os.chmod(self.notify, 0o666)
        self.listener = None
        if "StandardInput" in self.unit:
            self.listen()

    def listen(self):
        unit = read("grafana-images.socket")["Socket"]
        where, = unit["ListenStream"]
        if os.path.lexists(where):
            os.unlink(where)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(where)
        shutil.chown(where, unit["SocketUser"][0], unit["SocketGroup"][0])
        os.chmod(where, int(unit["SocketMode"][0], 8))
        self.listener.listen(int(unit["Backlog"][0]))

    def command(self):
        line, = self.unit["ExecStart"]
        words = shlex.split(line)
        user, group = self.unit["User"][-1], self.unit["Group"][-1]
        if self.root is None:
            user = group = "daemon"
            words = [self.program if w == PROGRAM else w for w in words]
        drop = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups",
                "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
                "--pdeathsig", "TERM", "--"]
        return (["chroot", self.root] if self.root else []) + drop + words

    def spawn(self, below=()):
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                               "/sbin:/bin", "NOTIFY_SOCKET": self.notify}
        for line in self.unit["Environment"]:
            environment.update(w.split("=", 1) for w in shlex.split(line))
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [*below, *self.command()], stdout=log, stderr=log, cwd="/",
                stdin=self.listener or subprocess.DEVNULL, env=environment,
                umask=int(self.unit["UMask"][0], 8))

    def start(self, below=()):
        self.spawn(below)
        try:
            self.hear("READY=1")
        except socket.timeout:
            raise AssertionError("it does not say that it serves: " + self.log)
        return self

    def run(self):
        """Until it ends by itself; its exit code."""
        self.spawn()
        process, self.process = self.process, None
        return process.wait(webservers.SECONDS)

    def hear(self, state):
        """Wait for it to say this and nothing else."""
        assert self.notified.recv(4096).decode().split() == [state]

    @property
    def log(self):
        with open(self.log_path) as f:
            return f.read()

    @property
    def pid(self):
        return service.program_below(self.process.pid)

    def stop(self):
        """As systemd stops it; it says so, and ends in order."""
        process, self.process = self.process, None
        os.kill(service.program_below(process.pid), signal.SIGTERM)
        try:
            code = process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert code == 0, self.log
        self.hear("STOPPING=1")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.process is not None:
                self.stop()
        finally:
            self.notified.close()
            if self.listener:
                self.listener.close()
            shutil.rmtree(self.dir, ignore_errors=True)

