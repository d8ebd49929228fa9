"""The confinement, from outside: what works in it, and what is said of it.

What it forbids is in tests/unit/test_sandbox.c.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from conftest import PANEL, TOKEN
from service import BUILD, PROGRAM, SOCKET, STORE, images, sanitized, until
from tls import tls

pytestmark = pytest.mark.skipif(
    sanitized() or os.path.basename(BUILD) == "coverage",
    reason="a sanitizer cannot be confined, nor who writes down what ran")


NAMED = []


def status(service, name):
    with open("/proc/%d/status" % service.pid) as f:
        return re.search(r"^%s:\s*(\S+)" % name, f.read(), re.M).group(1)


def test_it_is_confined_and_the_log_says_how(service):
    service.stop()
    service.begin()
    service.start(workers=3)
    assert (status(service, "Seccomp"), status(service, "NoNewPrivs")) == \
        ("2", "1")
    until(lambda: "in_force=landlock+seccomp" in service.text(), "it says so")


def test_off_means_not_confined(service, post):
    service.start(sandbox="off")
    assert status(service, "Seccomp") == "0"
    assert post().status == 200
    until(lambda: "in_force=off" in service.text(True), "it says so")


@pytest.fixture(scope="module")
def https(grafana, tmp_path_factory):
    with tls(grafana, tmp_path_factory.mktemp("tls")) as served:
        yield served


def test_panels_are_saved_over_https_and_by_name(
        empty_store, service, post, https):
    url, ca = https
    service.start(grafana=url, tls_ca_file=ca)
    assert post(url + PANEL).status == 200
    assert len(images()) == 1


def test_a_certificate_of_somebody_else_is_upstream(service, post, https):
    url, _ = https
    service.start(grafana=url)
    answer = post(url + PANEL)
    assert (answer.status, answer.json["outcome"]) == (502, "upstream")
    assert "certificate" in answer.json["detail"]


class Resolver(threading.Thread):
    """A name server that has one address for all names."""

    def __init__(self, address="127.0.0.1"):
        super().__init__(daemon=True)
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.77", 53))
        self.asked = 0
        self.refuse = None  # names with this in them

    def run(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            if question == b"stop":
                return
            self.asked += 1
            end = question.index(b"\0", 12) + 5
            is_a = question[end - 4:end - 2] == b"\0\1" and not (
                self.refuse and self.refuse in question)
            self.socket.sendto(
                question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0")
                + b"\0\0\0\0" + question[12:end] +
                (b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" +
                 socket.inet_aton(self.address) if is_a else b""),
                peer)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"stop", ("127.0.0.77", 53))
        self.join()
        self.socket.close()


def replace(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


@pytest.fixture
def resolver():
    with open("/etc/resolv.conf") as f:
        before = f.read()
    resolver = Resolver()
    resolver.start()
    try:
        yield resolver
    finally:
        resolver.stop()
        replace("/etc/resolv.conf", before)


def test_a_replaced_resolv_conf_is_read(service, post, grafana, resolver):
    url = "http://moved.test:%d" % grafana.port
    replace("/etc/resolv.conf", "nameserver 127.0.0.78\n"
            "options timeout:1 attempts:1\n")
    service.start(grafana=url, workers=1)
    assert post(url + PANEL).json["outcome"] in ("upstream", "slow")
    replace("/etc/resolv.conf", "nameserver 127.0.0.77\n")
    assert post(url + PANEL).status == 200
    assert resolver.asked > 0


MODULE = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <nss.h>
#include <string.h>

enum nss_status
_nss_made_gethostbyname4_r(const char *name, struct gaih_addrtuple **to,
    char *room, size_t size, int *errnum, int *herrnum, int *ttl)
{
	struct gaih_addrtuple *t = (struct gaih_addrtuple *)room;

	(void)size; (void)errnum; (void)herrnum; (void)ttl;
	if (strcmp(name, "by-module.test") != 0)
		return NSS_STATUS_NOTFOUND;
	memset(t, 0, sizeof(*t));
	t->name = strcpy((char *)(t + 1), name);
	t->family = AF_INET;
	t->addr[0] = htonl(0x7f000001);
	*to = t;
	return NSS_STATUS_SUCCESS;
}
"""


@pytest.fixture
def modules(nsswitch):
    """An environment in which libc finds the module "made" for names."""
    if not shutil.which("cc"):
        pytest.skip("no compiler")
    folder = tempfile.mkdtemp(prefix="nss-", dir="/run")
    os.chmod(folder, 0o755)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,libnss_made.so.2", "-x",
                    "c", "-", "-o", folder + "/libnss_made.so.2"],
                   input=MODULE, text=True, check=True)
    yield {"LD_LIBRARY_PATH": folder}
    shutil.rmtree(folder)


@pytest.fixture
def nsswitch():
    """nsswitch(hosts): how names are looked up from now on."""
    path = "/etc/nsswitch.conf"
    with open(path) as f:
        before = f.read()
    yield lambda hosts: replace(path, re.sub(r"(?m)^hosts:.*", hosts, before))
    replace(path, before)


@pytest.mark.parametrize("hosts", [
    "hosts: files made dns",
    " hosts :\tfiles nosuch [!UNAVAIL=return] ../made made [NOTFOUND=return] dns  # x",
    "hosts: nosuch files [ NOTFOUND=continue ]made"])
def test_names_are_looked_up_by_the_modules_that_nsswitch_conf_names(
        service, post, grafana, nsswitch, modules, hosts):
    """They are libraries, which libc loads when it first needs them."""
    url = "http://by-module.test:%d" % grafana.port
    nsswitch(hosts)
    service.start(grafana=url, environment=modules)
    assert post(url + PANEL).status == 200


def test_a_module_that_cannot_be_loaded_any_more_ends_nothing(
        service, post, grafana, resolver, nsswitch, modules):
    by_dns = "http://by-dns.test:%d" % grafana.port
    by_module = "http://by-module.test:%d" % grafana.port
    resolver.refuse = b"by-module"
    replace("/etc/resolv.conf", "nameserver 127.0.0.77\n")
    nsswitch("hosts: files dns")
    service.start(grafana="%s, %s" % (by_dns, by_module), environment=modules)
    nsswitch("hosts: files made dns")
    assert post(by_module + PANEL).json["outcome"] == "upstream"
    assert post(by_dns + PANEL).status == 200


def test_a_name_that_leads_elsewhere_meanwhile_gets_no_request(
        service, post, grafana, resolver):
    """DNS rebinding. 0.0.0.0 is this very machine: were the address not looked
    at, the panel would come."""
    url = "http://rebound.test:%d" % grafana.port
    panel = url + PANEL + "&var-manner=close"
    replace("/etc/resolv.conf", "nameserver 127.0.0.77\n")
    service.start(grafana=url)
    assert post(panel).status == 200
    resolver.address = "0.0.0.0"

    def refused():
        """Once no worker's memory of the old address is left."""
        renders = grafana.counts()["renders"]
        answer = post(panel)
        if answer.status == 200:
            return None
        assert grafana.counts()["renders"] == renders
        return answer.json

    answer = until(refused, "the new address is seen")
    assert answer["outcome"] == "upstream"
    assert "address that no Grafana has" in answer["detail"]


@pytest.mark.parametrize("nth", range(2, 6))
def test_without_nameless_files_it_stores_by_another_name(
        empty_store, service, post, nth):
    """Which of a worker's calls asks for a nameless file is not ours to know:
    the others may fail."""
    service.start(below=(
        "/usr/bin/strace", "-f", "-o", os.devnull, "-e", "trace=openat",
        "-e", "inject=openat:error=EOPNOTSUPP:when=%d" % nth))
    if post().status == 200:
        assert len(images()) == 1
    assert not os.path.isdir(STORE + "/.partial") or len(images()) == 1
    NAMED.append(os.path.isdir(STORE + "/.partial"))
    assert nth < 5 or any(NAMED)


def test_without_seccomp_it_does_not_start(service):
    service.stop()
    service.configure()
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    out = subprocess.run(
        ["spawn-fcgi", "-n", "-s", SOCKET, "--", "/usr/bin/strace", "-f", "-o",
         os.devnull, "-e", "trace=seccomp", "-e",
         "inject=seccomp:error=EINVAL", PROGRAM],
        capture_output=True, text=True)
    assert out.returncode == 78
    assert re.match("grafana-images: sandbox = on: .* or set sandbox = off",
                    out.stderr)


def test_as_cgi_it_is_confined(empty_store, service, grafana):
    service.stop()
    service.configure()
    body = ('{"imageUrl": "%s"}' % (grafana.url + PANEL)).encode()
    trace = "/run/trace"
    out = subprocess.run(
        ["strace", "-f", "-o", trace, "-e", "trace=seccomp,read", PROGRAM],
        input=body, capture_output=True, env={
            "PATH": os.environ["PATH"], "GATEWAY_INTERFACE": "CGI/1.1",
            "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": "Bearer " + TOKEN})
    assert out.stdout.startswith(b"Status: 200 ")
    with open(trace) as f:
        text = f.read()
    assert "seccomp(SECCOMP_SET_MODE_FILTER" in text
    assert text.index("SECCOMP_SET_MODE_FILTER") < text.index("imageUrl")
