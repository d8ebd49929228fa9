"""A Grafana that cannot be asked: each cause has one true sentence, in the
reply, in what `check` says and in ?health, and the log has the rest."""

import contextlib
import errno
import socket
import ssl
import subprocess

import pytest

import tls
from scripted import Scripted, png
from service import CONF

PATH = "/d/cpu/cpu?viewPanel=1"
CA = "/etc/ca-causes.pem"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = tls.Authority(tmp_path_factory.mktemp("ca"))
    with open(CA, "w") as f, open(made.root) as root:
        f.write(root.read())
    with tls.named("secure.test"):
        yield made


def serve(peer):
    peer.answer(b"{}" if "health" in peer.target else png(1))


def secure(context):
    return Scripted(serve, context, "secure.test")


# The servers: each yields the address at which Grafana is configured.

@contextlib.contextmanager
def good(authority):
    with secure(authority.context(
            authority.make("good", "intermediate"),
            authority.intermediate)) as server:
        yield server.url


def certificate(signer="intermediate", chain=("intermediate",), **options):
    @contextlib.contextmanager
    def server(authority):
        leaf = authority.make("leaf", signer, **options)
        with secure(authority.context(
                leaf, *(getattr(authority, c) for c in chain))) as s:
            yield s.url
    return server


@contextlib.contextmanager
def of_an_unknown_ca(authority):
    where = authority.where / "other"
    where.mkdir(exist_ok=True)
    other = tls.Authority(where)
    with secure(other.context(other.make("leaf", "root"), other.root)) as s:
        yield s.url


@contextlib.contextmanager
def of_an_expired_ca(authority):
    authority.make("old", "root", "CA:TRUE", end="20210101000000Z")
    leaf = authority.make("leaf", "old")
    with secure(authority.context(
            leaf, leaf.replace("leaf", "old"))) as server:
        yield server.url


@contextlib.contextmanager
def old_tls(authority):
    context = authority.context(authority.make("good", "root"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with secure(context) as server:
        yield server.url


@contextlib.contextmanager
def refuses_the_handshake(authority):
    def refuse(sock, name, context):
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
    context = authority.context(authority.make("good", "root"))
    context.sni_callback = refuse
    with secure(context) as server:
        yield server.url


def says(answer, scheme="http"):
    """What answers says that to the first bytes, whatever they are."""
    @contextlib.contextmanager
    def server(authority):
        def do(peer):
            peer.send(answer)
            peer.close()
        with Scripted(do, lines=False) as s:
            yield s.url.replace("http:", scheme + ":")
    return server


@contextlib.contextmanager
def http_to_tls(authority):
    with secure(authority.context(authority.make("good", "root"))) as server:
        yield server.url.replace("https:", "http:")


@contextlib.contextmanager
def nothing_listens(authority):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # and does not listen
        yield "http://127.0.0.1:%d" % s.getsockname()[1]


@contextlib.contextmanager
def no_route(authority):
    for host in "255.255.255.255", "[2001:db8::1]":
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        with s:
            s.settimeout(1)
            found = s.connect_ex((host.strip("[]"), 9))
        if found in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            yield "http://%s:9" % host
            return
    pytest.skip("this machine has a route to everywhere")


@contextlib.contextmanager
def drops_packets(authority):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            one = stack.enter_context(socket.socket())
            one.settimeout(0.2)
            if one.connect_ex(listener.getsockname()):
                yield "http://127.0.0.1:%d" % listener.getsockname()[1]
                return
    raise AssertionError("the listener's backlog has no end")


@contextlib.contextmanager
def stops_in_the_handshake(authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "https://127.0.0.1:%d" % listener.getsockname()[1]


def head(size):
    return (b"HTTP/1.1 200 OK\r\nX-Policy: " + b"a" * size +
            b"\r\nContent-Length: 0\r\n\r\n")


REFUSED_PLAIN = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
# server, outcome, words of the sentence, and of the log beside it
CAUSES = {
    "expired": (certificate(end="20210101000000Z"), "upstream",
                "has a certificate that has expired",
                "certificate has expired; certificate of /CN=leaf"),
    "an expired CA": (of_an_expired_ca, "upstream",
                      "whose own certificate has expired",
                      "certificate of /CN=old, signed by /CN=root"),
    "not yet valid": (certificate(begin="20980101000000Z"), "upstream",
                      "not valid yet", "certificate is not yet valid"),
    "self-signed": (certificate(None, ()), "upstream",
                    "has a self-signed certificate", "self-signed"),
    "unknown CA": (of_an_unknown_ca, "upstream", "not trusted here",
                   "self-signed certificate in certificate chain"),
    "chain incomplete": (certificate(chain=()), "upstream",
                         "incomplete chain", "signed by /CN=intermediate"),
    "wrong name": (certificate(host="other.test"), "upstream",
                   "certificate for another name", "'secure.test'"),
    "TLS too old": (old_tls, "upstream", "TLS 1.2 or 1.3", "protocol version"),
    "no common TLS": (refuses_the_handshake, "upstream",
                      "broke off the TLS handshake", "handshake failure"),
    "https to http": (says(REFUSED_PLAIN, "https"), "upstream",
                      "speaks no TLS at its address. Ask whoever runs this "
                      "service to begin its address in the setting "
                      "\"grafana\" with http://", "wrong version number"),
    "https to another protocol": (
        says(b"SSH-2.0-OpenSSH_9.2\r\n", "https"), "upstream",
        "speaks no TLS at its address", "wrong version number"),
    "https to a server that hangs up": (
        says(b"", "https"), "upstream", "broke off the TLS handshake", ""),
    "http to Go's https": (
        says(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request "
             b"to an HTTPS server.\n"), "upstream",
        "speaks TLS at its address", ""),
    "http to nginx's https": (
        says(REFUSED_PLAIN + b"<center>The plain HTTP request was sent to "
             b"HTTPS port</center>"), "upstream",
        "speaks TLS at its address", ""),
    "http to Apache's https": (
        says(REFUSED_PLAIN + b"<p>Reason: You're speaking plain HTTP to an "
             b"SSL-enabled server port.<br />"), "upstream",
        "speaks TLS at its address", ""),
    "http to https": (http_to_tls, "upstream", "with https://", ""),
    "http to a TLS alert": (says(b"\x15\x03\x01\x00\x02\x02\x28"), "upstream",
                            "speaks no HTTP", "HTTP/0.9"),
    "http to another protocol": (says(b"220 mail ESMTP\r\n"), "upstream",
                                 "speaks no HTTP", "HTTP/0.9"),
    "no answer": (says(b""), "upstream",
                  "closed the connection without an answer", "Empty reply"),
    "refused": (nothing_listens, "upstream",
                "nothing listens at its address", "Connection refused"),
    "no route": (no_route, "upstream", "no route to its address",
                 "unreachable"),
    "packets dropped": (drops_packets, "slow",
                        "nothing answers at its address", "Timeout"),
    "handshake that stops": (stops_in_the_handshake, "slow",
                             "did not finish the TLS handshake", ""),
    "a long header": (says(head(120000)), "upstream", "headers", ""),
    "long headers": (says(head(90000).replace(
        b"\r\nC", b"\r\n" + 3 * (b"X-P: " + b"b" * 90000 + b"\r\n") + b"C")),
        "upstream", "headers", ""),
    "two lengths": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n"),
                    "upstream", "Content-Length", ""),
}


def check(service):
    return subprocess.run(
        [service.program, "check", "-c", CONF], capture_output=True, text=True)


def run(service, url):
    service.start(grafana=url, tls_ca_file=CA, connect_seconds=1, workers=1,
                  preflight="off")


# Python warns of the old TLS that is asked for here
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("cause", CAUSES)
def test_the_cause_is_said(service, post, authority, cause):
    server, outcome, sentence, logged = CAUSES[cause]
    with server(authority) as url:
        run(service, url)
        answer = post(url + PATH)
        assert answer.json["outcome"] == outcome, answer.body
        assert sentence in answer.json["detail"]
        record = service.record()
        assert record["why"].startswith(
            answer.json["detail"].replace('"', '\\"')[:300])
        port = url.rsplit(":", 1)[1]
        assert ":%s" % port in record["why"].split(" | ")[1]
        if logged == "unreachable":
            assert "unreachable" in record["why"] or "route" in record["why"]
        else:
            assert logged in record["why"]
        assert "range" not in answer.json["detail"]
        said = check(service)
        assert said.returncode == 0
        assert sentence in said.stderr, said.stderr


@pytest.mark.parametrize("cause", ["expired", "refused", "packets dropped",
                                   "chain incomplete", "https to http"])
def test_health_says_the_cause(service, get, nginx, authority, cause):
    server, _, sentence, _ = CAUSES[cause]
    with server(authority) as url:
        run(service, url)
        answer = get(nginx.url + "/grafana-images/health")
        assert answer.status == 503
        assert answer.json["grafana"][url] in sentence or \
            sentence.split(".")[0] in answer.json["grafana"][url]


def test_a_whole_chain_is_trusted(service, post, authority):
    with good(authority) as url:
        run(service, url)
        assert post(url + PATH).status == 200


@pytest.mark.parametrize("value", ["{0}, {0}", "{0},{0} , {0}", " {0} "])
def test_one_length_said_twice_is_taken(service, post, value):
    body = png(7)
    answer = (b"HTTP/1.1 200 OK\r\nContent-Length: " +
              value.format(len(body)).encode() + b"\r\n\r\n" + body)
    with Scripted(lambda peer: peer.send(answer)) as server:
        service.start(grafana=server.url, preflight="off")
        assert post(server.url + PATH).status == 200


@pytest.mark.parametrize("value", ["5, 6", "5,", ",5", "5 5", "-5", "", "5, x"])
def test_lengths_that_contradict_one_another_are_upstream(
        service, post, value):
    answer = (b"HTTP/1.1 200 OK\r\nContent-Length: " + value.encode() +
              b"\r\n\r\n12345")
    with Scripted(lambda peer: peer.send(answer)) as server:
        service.start(grafana=server.url, render_seconds=2, preflight="off")
        assert post(server.url + PATH).json["outcome"] == "upstream"
