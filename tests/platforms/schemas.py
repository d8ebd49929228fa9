"""Holds compose.yaml and Kubernetes' manifests against their schemas, which come from
npm as schemas/package-lock.json has them."""

import filecmp
import os
import shutil
import subprocess

from conftest import ROOT, output

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas")
INSTALLED = ROOT + "/build/schemas"
FILES = (".npmrc", "package.json", "package-lock.json")


def _install():
    done = INSTALLED + "/installed"
    lock = HERE + "/package-lock.json"
    if os.path.exists(done) and filecmp.cmp(done, lock, shallow=False):
        return
    shutil.rmtree(INSTALLED, ignore_errors=True)
    os.makedirs(INSTALLED)
    for name in FILES:
        shutil.copy(os.path.join(HERE, name), INSTALLED)
    output("npm", "ci", "--prefix", INSTALLED, "--no-audit", "--no-fund",
           "--ignore-scripts", "--loglevel=error")
    shutil.copy(lock, done)


def complaints(kind, *files):
    """kind: compose or kubernetes. What is wrong with the files, a line each."""
    _install()
    out = subprocess.run(
        ["node", HERE + "/check.mjs", kind, *map(os.path.abspath, files)],
        cwd=INSTALLED, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert out.stderr == "", out.stderr
    return out.stdout
