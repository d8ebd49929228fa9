"""What the platform tests share: images that are built once and unpacked, and a
network of their own.

Run as root, by "make test-platforms", in a mount namespace of their own. What takes
long to fetch stays in build/.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, ROOT + "/tests/e2e")
ARCHIVE = ROOT + "/build/grafana-images.oci.tar"
CLONE_NEWNET = 0x40000000


def output(*command, **more):
    """What it writes; it must end well."""
    out = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, cwd=ROOT, **more)
    assert out.returncode == 0, out.stdout[-8000:]
    return out.stdout


def environment():
    """As it was before make."""
    return {k: v for k, v in os.environ.items()
            if not k.startswith("MAKE") and k not in ("MFLAGS", "BUILD")}


class Image:
    """An OCI archive, unpacked: root, and what its configuration says."""

    def __init__(self, archive, folder):
        self.archive = archive
        layout = folder + "/layout"
        os.mkdir(layout)
        output("tar", "-xf", archive, "-C", layout)
        with open(layout + "/index.json") as f:
            manifest, = json.load(f)["manifests"]
        self.digest = manifest["digest"]
        self.tag = manifest["annotations"]["org.opencontainers.image.ref.name"]
        output("umoci", "unpack", "--image", layout + ":" + self.tag,
               folder + "/bundle")
        self.root = folder + "/bundle/rootfs"
        os.chmod(folder + "/bundle", 0o755)
        manifest = self.blob(layout, manifest["digest"])
        whole = self.blob(layout, manifest["config"]["digest"])
        self.created = whole["created"]
        self.config = whole["config"]
        self.start = self.config["Entrypoint"]
        self.environment = dict(v.split("=", 1) for v in self.config["Env"])

    @staticmethod
    def blob(layout, digest):
        with open(layout + "/blobs/" + digest.replace(":", "/")) as f:
            return json.load(f)


@pytest.fixture(scope="session")
def scratch():
    """A folder in memory that every user may enter, also for what the tools keep
    while they work."""
    os.makedirs(ROOT + "/build", exist_ok=True)
    folder = tempfile.mkdtemp(prefix="platforms-", dir="/tmp")
    output("mount", "-t", "tmpfs", "-o", "mode=755,size=6g", "platforms", folder)
    os.mkdir(folder + "/tmp")
    os.environ["TMPDIR"] = folder + "/tmp"
    yield folder
    output("umount", "--lazy", "--recursive", folder)
    os.rmdir(folder)


@pytest.fixture(scope="session")
def image(scratch):
    """What "make image" makes."""
    output("make", "image", env=environment())
    os.mkdir(scratch + "/image")
    return Image(ARCHIVE, scratch + "/image")


@pytest.fixture(scope="session")
def own_network():
    """From here on, a network that has only this test in it: port 8080 is free."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    output("ip", "link", "set", "lo", "up")
    yield
    assert libc.setns(before, CLONE_NEWNET) == 0
    os.close(before)


@pytest.fixture(scope="session")
def image_of_dockerfile(scratch):
    """What the Dockerfile makes, on a debian:trixie-slim that mmdebstrap makes."""
    base = ROOT + "/build/debian-13-slim.tar"
    output("deploy/container/debian-13", base, "ca-certificates")
    buildah = ("buildah", "--storage-driver", "vfs", "--root",
               scratch + "/storage", "--runroot", scratch + "/storage-run")
    container = output(*buildah, "from", "scratch").strip()
    output(*buildah, "add", container, base, "/")
    output(*buildah, "commit", "--rm", container, "debian:trixie-slim")
    output(*buildah, "build", "--isolation", "chroot", "--format", "docker",
           "--pull-never", "-f", "deploy/container/Dockerfile", "-t", "built", ".")
    health = output(*buildah, "inspect", "--format", "{{.Docker.Config.Healthcheck}}",
                    "--type", "image", "built")
    assert "http://127.0.0.1:8080/grafana-images/health" in health
    archive = scratch + "/built.tar"
    output(*buildah, "push", "built", "oci-archive:%s:built" % archive)
    os.mkdir(scratch + "/built")
    return Image(archive, scratch + "/built")
