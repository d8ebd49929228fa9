"""A Debian 13 with all that building and testing needs, and the source in it."""

import os
import subprocess

from conftest import ROOT, output

FILE = ROOT + "/build/debian-13-test.tar"
PACKAGES = os.path.join(os.path.dirname(__file__), "packages")
LEFT_OUT = ("./build", "./.git", "node_modules", "__pycache__")


class Debian13:
    def __init__(self, folder):
        """folder: becomes its root, and is a mount point in this namespace."""
        self.root = folder
        with open(PACKAGES) as f:
            packages = f.read().split()
        output("deploy/container/debian-13", FILE, *packages)
        output("mount", "-t", "tmpfs", "-o", "mode=755,size=4g", "root", folder)
        output("tar", "-xf", FILE, "-C", folder, "--numeric-owner")
        output("mount", "--rbind", "/dev", folder + "/dev")
        os.mkdir(folder + "/source")
        output("sh", "-c", 'tar -c "$@" . | tar -x -C "$0/source"', folder,
               *("--exclude=" + name for name in LEFT_OUT))

    def mount_proc(self):
        output("mount", "-t", "proc", "proc", self.root + "/proc")

    def run(self, *command, code=0):
        """Run it in the source's folder; what it writes."""
        out = subprocess.run(
            ["chroot", self.root, "sh", "-c", 'cd /source && exec "$@"', "sh",
             *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
        assert out.returncode == code, out.stdout[-8000:]
        return out.stdout

    def close(self):
        subprocess.run(["umount", "--recursive", "--lazy", self.root], check=True)
