"""The image itself: what it holds, and that it can be made again."""

import datetime
import json
import os
import subprocess

import pytest

from conftest import ARCHIVE, ROOT, Image, environment, output

MOST_BYTES = 20_000_000


def test_made_again_it_is_the_same(image, scratch):
    output("make", "image", env=environment())
    os.mkdir(scratch + "/again")
    assert Image(ARCHIVE, scratch + "/again").digest == image.digest


def test_it_is_small(image):
    assert os.path.getsize(image.archive) < MOST_BYTES


def test_it_says_what_it_is(image):
    prefix = "org.opencontainers.image."
    labels = {name.removeprefix(prefix): value
              for name, value in image.config["Labels"].items()}
    assert labels["version"] == image.tag
    assert labels["title"] == "grafana-images"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["created"] == image.created
    datetime.datetime.fromisoformat(image.created)
    assert image.config["User"] == "65532:65532"
    assert set(image.config["ExposedPorts"]) == {"8080/tcp"}
    assert set(image.config["Volumes"]) == {
        "/var/lib/grafana-images/saved-images"}


def test_another_tool_reads_it(image):
    said = output("skopeo", "inspect", "--format", "{{.Digest}}",
                  "oci-archive:%s:%s" % (image.archive, image.tag))
    assert said.strip() == image.digest


@pytest.mark.parametrize("made_by", ["image", "image_of_dockerfile"])
def test_nginx_has_the_shipped_configuration(request, made_by):
    root = request.getfixturevalue(made_by).root
    with open(root + "/etc/nginx/snippets/grafana-images.conf") as f:
        with open(ROOT + "/deploy/nginx/grafana-images.conf") as shipped:
            assert f.read() == shipped.read()


def test_a_scanner_finds_each_package_and_its_licence(image):
    packages = os.listdir(image.root + "/var/lib/dpkg/status.d")
    assert {"libc6", "nginx", "libcurl4t64", "ca-certificates"} <= set(packages)
    for package in packages:
        with open("%s/var/lib/dpkg/status.d/%s" % (image.root, package)) as f:
            entry = f.read()
        assert "Package: " + package + "\n" in entry
        assert "\nVersion: " in entry
        assert os.path.getsize("%s/usr/share/doc/%s/copyright"
                               % (image.root, package)) > 0


def test_the_dockerfile_makes_the_same(image, image_of_dockerfile):
    assert listing(image.root) == listing(image_of_dockerfile.root)


def test_its_bill_of_materials_names_what_is_in_it(image):
    with open(ROOT + "/build/grafana-images.cdx.json") as f:
        bill = json.load(f)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    about = bill["metadata"]["component"]
    assert "sha256:" + about["hashes"][0]["content"] == image.digest
    names = {c["name"] for c in bill["components"]}
    assert names == {"grafana-images",
                     *os.listdir(image.root + "/var/lib/dpkg/status.d")}


def test_the_source_is_packed_the_same_each_time():
    first, second = (output("make", "-s", "dist", env=environment())
                     for _ in range(2))
    assert first == second and ".tar.gz" in first


def listing(root):
    out = subprocess.run(
        "find . -type f -exec sha256sum {} + ; find . -printf '%p %m %U %l\\n'",
        shell=True, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(out.splitlines())
