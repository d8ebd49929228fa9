# SPDX-License-Identifier: Apache-2.0
"""A real object store: one Ceph monitor, one OSD, one RADOS Gateway.

    if ceph.missing(): ...
    with ceph.Ceph() as store:
        ask(store.url + "/bucket/key")

Nothing of it is under /etc or /var, no systemd, no authentication among its
daemons; the objects are in memory. The daemons end with this process at the
latest. Debian: ceph-mon, ceph-osd, radosgw.

What makes it start in seconds: every pool is several epochs of the OSD map, and
the monitor waits a second for each by default (paxos propose interval).
"""

import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
import uuid

from service import until
from webservers import free_port

ID = "TESTACCESSKEY0000001"
SECRET = "testSecret+Key000000000000000000000000001"
DOMAIN = "s3-ceph.test"  # below which each bucket has a host
SECONDS = 60

CONF = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon}]
mon initial members = a
public network = 127.0.0.0/8
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = {dir}
admin socket = {dir}/$name.asok
pid file = {dir}/$name.pid
log file = {dir}/$name.log
crash dir = {dir}
keyring = {dir}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon cluster log file = {dir}/cluster.log
[mon]
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
mon data = {dir}/mon
mon data avail warn = 1
mon data avail crit = 0
[osd]
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd memory target = 939524096
osd crush update on start = true
[client]
ms mon client mode = crc
rgw data = {dir}/rgw
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw dns name = {domain}
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
"""


def missing():
    """The programs that are not installed."""
    return [p for p in ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin",
                        "ceph", "monmaptool") if not shutil.which(p)]


class Ceph:
    def __init__(self):
        self.processes = {}

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="gi-ceph-")
        try:
            self.begin()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *exc):
        self.end()

    @property
    def environment(self):
        return {**os.environ, "CEPH_CONF": self.dir + "/ceph.conf",
                "CEPH_ARGS": "-c " + self.dir + "/ceph.conf"}

    def run(self, *command, check=True):
        return subprocess.run(command, capture_output=True, text=True,
                              check=check, env=self.environment, cwd=self.dir)

    def succeeds(self, *command):
        return lambda: self.run(*command, check=False).returncode == 0

    def spawn(self, name, *command):
        with open("%s/%s.out" % (self.dir, name), "ab") as out:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command, "-f"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self.environment, cwd=self.dir)

    def begin(self):
        for name in ("mon", "osd", "rgw"):
            os.mkdir(os.path.join(self.dir, name))
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        mon, fsid, osd = free_port(), str(uuid.uuid4()), str(uuid.uuid4())
        with open(self.dir + "/ceph.conf", "w") as f:
            f.write(CONF.format(dir=self.dir, fsid=fsid, mon=mon, rgw=self.port,
                                domain=DOMAIN))
        open(self.dir + "/keyring", "w").close()
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
                 "[v2:127.0.0.1:%d]" % mon, "monmap")
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", "monmap")
        self.spawn("mon", "ceph-mon", "-i", "a")
        until(self.succeeds("ceph", "--connect-timeout", "2", "mon", "stat"),
              "the monitor answers", SECONDS)
        self.run("ceph", "osd", "new", osd)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.spawn("osd", "ceph-osd", "-i", "0")
        until(lambda: '"num_up_osds":1' in self.run(
            "ceph", "osd", "stat", "-f", "json").stdout, "the OSD is up", SECONDS)
        self.run("radosgw-admin", "user", "create", "--uid=test",
                 "--display-name=test", "--access-key=" + ID,
                 "--secret-key=" + SECRET)
        self.start_gateway()

    def start_gateway(self):
        self.spawn("rgw", "radosgw", "-n", "client.rgw")
        until(lambda: self.processes["rgw"].poll() is not None or self.answers(),
              "the gateway answers", SECONDS)
        assert self.answers(), "the gateway ended"

    def answers(self):
        try:
            urllib.request.urlopen(self.url + "/", timeout=5).close()
            return True
        except OSError:
            return False

    def kill_gateway(self):
        gateway = self.processes.pop("rgw")
        gateway.kill()
        gateway.wait()

    def stop_storage(self):
        """For good: whether it goes on from there is not sure."""
        self.processes["osd"].send_signal(signal.SIGSTOP)

    def end(self):
        # what it keeps is thrown away: no need to ask politely
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes = {}
        shutil.rmtree(self.dir, ignore_errors=True)

    # The administrator's work

    def curl(self, method, target, body=None, *more):
        """One signed request, by the command-line program."""
        command = ["curl", "-sS", "--path-as-is", "-X", method, "--aws-sigv4",
                   "aws:amz:us-east-1:s3", "-u", ID + ":" + SECRET,
                   "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *more]
        if body is not None:
            command += ["--data-binary", body]
        out = subprocess.run([*command, self.url + target], check=True,
                             capture_output=True, text=True).stdout
        assert "<Error>" not in out, out
        return out

    def make_bucket(self, name, policy=None):
        self.curl("PUT", "/" + name)
        if policy is not None:
            self.curl("PUT", "/%s?policy=" % name, policy,
                      "-H", "Content-Type: application/json")

    def set_quota(self, bucket, objects):
        self.run("radosgw-admin", "quota", "set", "--quota-scope=bucket",
                 "--bucket=" + bucket, "--max-objects=%d" % objects)
        self.run("radosgw-admin", "quota", "enable", "--quota-scope=bucket",
                 "--bucket=" + bucket)
