"""compose.yaml and the manifests for Kubernetes are what their schemas allow."""

import glob
import os

import schemas
from conftest import ROOT

COMPOSE = ROOT + "/deploy/container/compose.yaml"
MANIFESTS = sorted(f for f in glob.glob(ROOT + "/deploy/kubernetes/*.yaml")
                   if not f.endswith("/kustomization.yaml"))


def read(name):
    with open(name) as f:
        return f.read()


def test_compose_is_as_its_specification_has_it():
    assert schemas.complaints("compose", COMPOSE) == ""


def test_manifests_are_as_kubernetes_has_them():
    assert len(MANIFESTS) == 6
    assert schemas.complaints("kubernetes", *MANIFESTS) == ""


def test_what_is_misspelt_is_found(scratch):
    wrong = {"compose": (COMPOSE, "read_only:", "readonly:"),
             "kubernetes": (ROOT + "/deploy/kubernetes/deployment.yaml",
                            "readOnlyRootFilesystem:", "readOnlyRootFileSystem:")}
    for kind, (name, right, misspelt) in wrong.items():
        copy = os.path.join(scratch, kind + ".yaml")
        with open(copy, "w") as f:
            f.write(read(name).replace(right, misspelt))
        assert misspelt.rstrip(":") in schemas.complaints(kind, copy)


def test_kustomization_names_every_manifest():
    text = read(ROOT + "/deploy/kubernetes/kustomization.yaml")
    for name in MANIFESTS:
        assert "- %s\n" % os.path.basename(name) in text


def test_the_pod_is_as_confined_as_the_image_was_run():
    text = read(ROOT + "/deploy/kubernetes/deployment.yaml")
    for line in ("runAsNonRoot: true", "runAsUser: 65532", "drop: [ALL]",
                 "readOnlyRootFilesystem: true",
                 "allowPrivilegeEscalation: false", "type: RuntimeDefault"):
        assert line in text
