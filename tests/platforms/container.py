"""A container without a container engine: an unpacked image, run as a cluster runs
it, by bubblewrap.

    with Container(image, volume, GRAFANA_IMAGES_GRAFANA="...") as container:
        container.ready()
        container.ask("/grafana-images/health")

It is a user without privileges, in namespaces of its own, with a read-only root, no
capabilities, no_new_privs, and a /tmp and /run in which nothing can be executed. It
has the network of the test, which has one of its own.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

import service as service_module
from service import until

PORT = 8080
URL = "http://127.0.0.1:%d" % PORT
STORE = "/var/lib/grafana-images/saved-images"
USER = 65532


class Container:
    def __init__(self, image, volume, *arguments, mounts=(), user=USER,
                 **environment):
        """arguments: for the image's start. mounts: pairs of a file here and its
        place in there, to be read."""
        self.image = image
        self.volume = volume
        self.arguments = arguments
        self.mounts = mounts
        self.user = user
        self.environment = {**image.environment, **environment}
        self.dir = None
        self.process = None

    def memory(self, name):
        """As docker's --tmpfs has it."""
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o",
                        "nosuid,nodev,noexec,mode=1777,size=64m", name, path],
                       check=True)
        return path

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="container-")
        os.chmod(self.dir, 0o755)
        told, tells = os.pipe()
        with open(self.dir + "/log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--reuid", str(self.user), "--regid", str(self.user),
                 "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                 "bwrap", "--unshare-all", "--share-net", "--as-pid-1",
                 "--die-with-parent", "--new-session", "--cap-drop", "ALL",
                 "--uid", str(self.user), "--gid", str(self.user),
                 "--ro-bind", self.image.root, "/", "--proc", "/proc",
                 "--dev", "/dev", "--bind", self.memory("tmp"), "/tmp",
                 "--bind", self.memory("run"), "/run",
                 "--bind", self.volume, STORE,
                 *(word for here, there in self.mounts
                   for word in ("--ro-bind", here, there)),
                 "--chdir", "/", "--info-fd", str(tells),
                 *self.image.start, *self.arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[tells], env=self.environment)
        os.close(tells)
        with open(told) as f:
            said = f.read()
        assert said, self.log
        self.pid = json.loads(said)["child-pid"]
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for name in ("tmp", "run"):
            subprocess.run(["umount", "--lazy", os.path.join(self.dir, name)],
                           check=True)
        shutil.rmtree(self.dir)

    @property
    def log(self):
        with open(self.dir + "/log", errors="replace") as f:
            return f.read()

    def ask(self, path, method="GET", headers={}, body=None, source="127.0.0.1"):
        connection = http.client.HTTPConnection(
            "127.0.0.1", PORT, timeout=60, source_address=(source, 0))
        try:
            connection.request(method, path.removeprefix(URL), body, headers)
            answer = connection.getresponse()
            return service_module.Reply(answer.status, answer.headers,
                                        answer.read())
        finally:
            connection.close()

    def ready(self):
        def serves():
            assert self.process.poll() is None, self.log
            try:
                return self.ask("/grafana-images/metrics").status == 200
            except OSError:
                return False
        until(serves, "the container serves")
        return self

    def listens(self):
        try:
            return self.ask("/").status > 0
        except OSError:
            return False

    def tell_to_stop(self):
        os.kill(self.pid, signal.SIGTERM)

    def ended(self):
        """Its exit status, once it has ended by itself."""
        code = self.process.wait(service_module.SECONDS)
        assert code in (0, 78), self.log
        return code

    def stop(self):
        self.tell_to_stop()
        return self.ended()

    def processes(self):
        """{process id: name} of all that is in it."""
        found, todo = {}, [self.pid]
        while todo:
            pid = todo.pop()
            try:
                with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                    todo += map(int, f.read().split())
                with open("/proc/%d/comm" % pid) as f:
                    found[pid] = f.read().strip()
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def all(self, name):
        """The processes of this name, the oldest first."""
        return sorted(pid for pid, found in self.processes().items()
                      if found == name)

    @staticmethod
    def status(pid, field):
        with open("/proc/%d/status" % pid) as f:
            return re.search(field + r":\s*(.*)", f.read())[1]
