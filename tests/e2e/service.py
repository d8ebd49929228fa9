"""The program under test, as a FastCGI responder at the shipped socket.

Only inside tests/e2e/private. It runs as a user of its own where there is one,
so that modes and owners matter as they do in real life.
"""

import collections
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import webservers

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
PROGRAM = os.path.join(BUILD, "grafana-images")
STORE = webservers.STORE
SOCKET = webservers.SOCKET
CONF = "/etc/grafana-images.conf"
SECONDS = 60
LOOK_SECONDS = 0.005
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


class Reply(collections.namedtuple("Reply", "status headers body")):
    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


def until(condition, what, seconds=SECONDS):
    """Wait for what only becomes true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(LOOK_SECONDS)  # the only sleep; a test waits by until()
    raise AssertionError("not within %d s: %s" % (seconds, what))


def is_ready(pid):
    """It has taken the signals: from now on SIGTERM is an orderly stop."""
    try:
        with open("/proc/%d/status" % pid) as f:
            status = f.read()
    except (FileNotFoundError, ProcessLookupError):
        return False
    caught = int(re.search(r"SigCgt:\s*(\w+)", status).group(1), 16)
    return "grafana-images" in status and caught & 1 << signal.SIGTERM - 1


def program_below(pid):
    """The program's own process, below what it was started by."""
    while True:
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                children = f.read().split()
        except (FileNotFoundError, ProcessLookupError):
            return pid
        if not children:
            return pid
        pid = int(children[0])


def user_of_its_own():
    return ["-u", "daemon", "-g", "daemon", "-U", "daemon", "-G", "www-data"] \
        if webservers.has_www_data() and os.geteuid() == 0 else []


class Service:
    def __init__(self, token, panel, **defaults):
        self.token = token
        self.panel = panel
        self.defaults = defaults
        self.process = None
        self.key = None
        self.dir = tempfile.mkdtemp(prefix="gi-", dir="/run")
        os.chmod(self.dir, 0o755)
        self.program = shutil.copy(PROGRAM, self.dir)
        self.log_path = os.path.join(self.dir, "log")
        open(self.log_path, "w").close()
        self.mark = 0

    def configure(self, **settings):
        """Write the settings file, where the program looks for it by itself, and
        make the store, as an administrator does."""
        if not os.path.isdir(STORE):
            os.mkdir(STORE, 0o711)
            if user_of_its_own():
                shutil.chown(STORE, "daemon", "daemon")
        with open(CONF, "w") as f:
            for name, value in {**self.defaults, **settings}.items():
                f.write("%s = %s\n" % (name, value))

    def start(self, environment=None, below=(), **settings):
        """Start with these settings beside the defaults; nothing happens if it
        runs with them. below: a command to run it by."""
        key = ({**self.defaults, **settings}, environment, below)
        if self.process and key == self.key:
            return self
        self.stop()
        self.configure(**settings)
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.key = key
        log = open(self.log_path, "a")
        self.process = subprocess.Popen(
            ["spawn-fcgi", "-n", "-s", SOCKET, "-M", "0660", "-b", "4096",
             *user_of_its_own(), "--", *below, self.program],
            stderr=log, stdout=log, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})})
        log.close()
        until(lambda: self.process.poll() is not None or is_ready(self.pid),
              "the responder listens")
        assert self.process.poll() is None, self.text()
        return self

    @property
    def pid(self):
        return program_below(self.process.pid)

    def stop(self, expect=0):
        if self.process is None:
            return
        process, self.process = self.process, None
        assert process.poll() is None, "it ended by itself: " + self.text()
        pid = program_below(process.pid)
        os.kill(pid, signal.SIGTERM)
        try:
            code = process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("it did not stop")
        text = self.text()
        assert code == expect, text
        self.check_log()
        partial = os.path.join(STORE, ".partial")
        assert not os.path.isdir(partial) or os.listdir(partial) == []

    def check_log(self):
        for bad in ("Sanitizer", "runtime error:"):
            assert bad not in self.text(), self.text()

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    # What it logged, since begin()

    def begin(self):
        self.mark = os.path.getsize(self.log_path)

    def text(self, whole=False):
        with open(self.log_path) as f:
            f.seek(0 if whole else self.mark)
            return f.read()

    def records(self):
        found = []
        for line in self.text().splitlines():
            if " outcome=" in line:
                found.append({k: v[1:-1] if v.startswith('"') else v
                              for k, v in PAIR.findall(line)})
        return found

    def record(self, count=1):
        """The last of so many lines, once they are there."""
        until(lambda: len(self.records()) >= count, "%d log lines" % count)
        return self.records()[-1]

    # What the kernel knows of it

    def files(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def peak_kib(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmHWM:\s*(\d+)", f.read()).group(1))


def images():
    """The saved images' paths, below the store."""
    found = []
    for folder, _, names in os.walk(STORE):
        found += [os.path.relpath(os.path.join(folder, n), STORE)
                  for n in names if n.endswith(".png")]
    return sorted(found)


def sanitized():
    return os.path.basename(BUILD) in ("address", "thread")
