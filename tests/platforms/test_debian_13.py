"""On Debian 13 it is built, checked, tested and packaged as on Debian 12.

One story, told in order: the first tests see a tree without /proc.
"""

import os
import re

import pytest

import schemas
from debian_13 import Debian13

NEED_PROC = ("folder", "folder_crowd", "metrics", "png", "sandbox")
CORE = ("cgi", "life", "save", "sharing", "uploads")


@pytest.fixture(scope="module")
def tree(scratch):
    folder = scratch + "/debian-13"
    os.mkdir(folder)
    tree = Debian13(folder)
    yield tree
    tree.close()


@pytest.fixture(scope="module")
def with_proc(tree):
    tree.mount_proc()
    return tree


def test_it_is_built_without_a_warning(tree):
    built = tree.run("make", "-j2", "WERROR=1", "all",
                     *("build/unit/test_" + name for name in NEED_PROC))
    assert "warning" not in built


@pytest.mark.parametrize("name", NEED_PROC)
def test_without_proc_a_unit_program_says_what_it_needs(tree, name):
    said = tree.run("sh", "-c", "build/unit/test_%s || :" % name)
    assert "/proc is not mounted" in said


def test_the_whole_of_make_check_passes(with_proc):
    with_proc.run("make", "-j2", "WERROR=1", "check")


def test_the_core_of_the_end_to_end_tests_passes(with_proc):
    said = with_proc.run("make", "e2e", "E2E=" + " ".join(
        "tests/e2e/test_%s.py" % name for name in CORE))
    assert re.search(r"^\d+ passed", said.splitlines()[-1]), said[-2000:]


@pytest.mark.parametrize("where", ["volume", "bucket"])
def test_kustomize_takes_the_manifests(with_proc, scratch, where):
    if where == "bucket":
        with_proc.run("sed", "-i", "s/^#components/components/",
                      "deploy/kubernetes/kustomization.yaml")
    text = with_proc.run("kubectl", "kustomize", "deploy/kubernetes")
    assert "kind: Deployment" in text
    assert ("persistentVolumeClaim:" in text) == (where == "volume")
    assert ("value: s3://images" in text) == (where == "bucket")
    whole = os.path.join(scratch, "kustomized.yaml")
    with open(whole, "w") as f:
        f.write(text)
    assert schemas.complaints("kubernetes", whole) == ""


def test_the_package_is_built_and_lintian_is_content(with_proc):
    with_proc.run("make", "deb")
    assert with_proc.run("sh", "-c", "lintian --allow-root --fail-on error,warning"
                         " build/grafana-images_*.changes") == ""
    files = with_proc.run("sh", "-c", "dpkg -c build/grafana-images_*.deb")
    units = re.findall(
        r" \./(\S+)/grafana-images\S*\.(?:service|socket|timer)\n", files)
    assert {name for name in units if "/doc/" not in name} == {"usr/lib/systemd/system"}
