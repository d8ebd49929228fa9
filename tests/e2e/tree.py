"""A clean Debian, the release of this machine, in memory: with systemd and
spawn-fcgi, and with nothing else of what the package needs.

It is made once, from the mirrors that apt is configured with here, and kept in
build/ for the next run; what the package depends on is in its apt's cache.
Only inside tests/e2e/private, as root. Skips the test, with a word, where it
cannot be made.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest

BUILD = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../build"))
KEPT_SECONDS = 7 * 24 * 3600  # then the mirrors have moved on
SIZE = "1g"
# What dpkg, apt, ldconfig and systemd note for themselves, and what is no file.
NOTES = re.compile(r"(var/(lib/(dpkg|apt)|cache|log)|run/systemd|dev|proc|sys|tmp)"
                   r"(/|$)|etc/ld\.so\.cache$")


def release():
    with open("/etc/os-release") as f:
        found = re.search(r'^VERSION_CODENAME="?(\w+)', f.read(), re.M)
    return found and found.group(1)


def sources():
    """What apt here has of this release, as lines for another apt."""
    out = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "deb $(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages",
         "Origin: Debian"], capture_output=True, text=True, check=True).stdout
    return "".join(line + "\n" for line in dict.fromkeys(out.splitlines())
                   if re.match(release() + r"(-|$)", line.split()[2]))


def how_to_fetch():
    """Proxies and the like, as options for another apt."""
    out = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True,
                         text=True, check=True).stdout
    return ["--aptopt=" + line for line in out.splitlines() if re.match(
        r"Acquire::(https?::(Proxy|CaInfo|Verify)|Check-)\S* +\"[^\"]", line)]


def make(kept, package):
    lines = sources()
    if not lines:
        return "apt here has no mirror of Debian " + str(release())
    # in memory: a system that is thrown away needs no fsync
    with tempfile.TemporaryDirectory(dir="/run") as work:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + SIZE, "work", work],
                       check=True)
        os.chmod(work, 0o755)
        try:
            with open(work + "/sources.list", "w") as f:
                f.write(lines)
            out = subprocess.run(
                ["mmdebstrap", "--mode=root", "--variant=apt", "--skip=cleanup/apt",
                 "--include=systemd,spawn-fcgi", *how_to_fetch(),
                 "--customize-hook=copy-in '%s' /tmp" % package,
                 "--customize-hook=chroot \"$1\" apt-get install -y --download-only"
                 " --no-install-recommends /tmp/" + os.path.basename(package),
                 release(), work + "/tree.tar", work + "/sources.list"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env={**os.environ, "TMPDIR": work})
            if out.returncode == 0:
                shutil.copy(work + "/tree.tar", kept + ".new")
                os.rename(kept + ".new", kept)
        finally:
            subprocess.run(["umount", "--lazy", work], check=True)
    return None if out.returncode == 0 else out.stdout[-2000:]


class Tree:
    def __init__(self, package):
        if os.geteuid() != 0 or not _is_real_root():
            pytest.skip("a clean Debian is made by root only")
        if not shutil.which("mmdebstrap"):
            pytest.skip("mmdebstrap is not installed")
        kept = os.path.join(BUILD, "clean-%s.tar" % release())
        newest = max(time.time() - KEPT_SECONDS, os.path.getmtime(__file__))
        if not os.path.exists(kept) or os.path.getmtime(kept) < newest:
            why = make(kept, package)
            if why:
                pytest.skip("a clean Debian cannot be made: " + why)
        self.path = tempfile.mkdtemp(prefix="clean-", dir="/run")
        self.mount("-t", "tmpfs", "-o", "mode=755,size=" + SIZE, "clean", "")
        subprocess.run(["tar", "-xf", kept, "-C", self.path, "--numeric-owner"],
                       check=True)
        self.mount("-t", "proc", "proc", "proc")
        self.mount("--rbind", "/dev", "dev")
        shutil.copy("/etc/resolv.conf", self.inside("etc/resolv.conf"))

    def mount(self, *arguments):
        subprocess.run(["mount", *arguments[:-1], self.inside(arguments[-1])],
                       check=True)

    def close(self):
        subprocess.run(["umount", "--recursive", "--lazy", self.path], check=True)
        os.rmdir(self.path)

    def inside(self, name):
        return os.path.join(self.path, name.lstrip("/"))

    def run(self, *command, code=0):
        """Run it in the tree; what it writes."""
        out = subprocess.run(
            ["chroot", self.path, *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                 "DEBIAN_FRONTEND": "noninteractive"})
        assert out.returncode == code, out.stdout
        return out.stdout

    def install(self, package):
        """As an administrator does it, with what it depends on."""
        shutil.copy(package, self.inside("tmp"))
        return self.run("apt-get", "install", "-y", "--no-install-recommends",
                        "/tmp/" + os.path.basename(package))

    def read(self, name):
        with open(self.inside(name)) as f:
            return f.read()

    def files(self):
        """{path: (mode, owner, group)} of all that somebody put there."""
        found = {}
        for folder, folders, names in os.walk(self.path):
            below = os.path.relpath(folder, self.path)
            if NOTES.match(below):
                folders.clear()
                continue
            for name in folders + names:
                path = os.path.normpath(os.path.join(below, name))
                if not NOTES.match(path):
                    st = os.lstat(os.path.join(folder, name))
                    found[path] = st.st_mode, st.st_uid, st.st_gid
        return found


def _is_real_root():
    with open("/proc/self/uid_map") as f:
        return f.read().split()[:2] == ["0", "0"]


def package_at(folder):
    found, = glob.glob(folder + "/grafana-images_*.deb")
    return found
