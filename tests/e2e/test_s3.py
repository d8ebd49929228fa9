"""Images in a bucket: nothing is called saved that is not there."""

import collections
import concurrent.futures
import datetime
import hashlib
import http.client
import itertools
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import urllib.parse
import zlib

import pytest

import ceph
import objectstore
import sigv4
import webservers
from conftest import PANEL, TOKEN
from objectstore import BUCKET, ID, SECRET, answer
from service import PROGRAM, sanitized, until, user_of_its_own

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "faults"))

import torture  # noqa: E402

EXAMPLE = {"host": "examplebucket.s3.amazonaws.com",
           "x-amz-date": "20130524T000000Z"}
EXAMPLE_TIME = datetime.datetime(2013, 5, 24)


@pytest.fixture(scope="module")
def store():
    with objectstore.ObjectStore() as s:
        yield s


@pytest.fixture(autouse=True)
def fresh_store(store):
    store.released.set()
    store.reset()
    store.off_by = datetime.timedelta()


def secret_file(service, secret):
    """A file with the secret, for the service's user alone."""
    path = os.path.join(service.dir, "secret-" + hashlib.sha256(
        secret.encode()).hexdigest()[:8])
    with open(path, "w") as f:
        f.write(secret + "\n")
    os.chmod(path, 0o600)
    if user_of_its_own():
        shutil.chown(path, "daemon", "daemon")
    return path


@pytest.fixture
def start(service, store):
    """start(setting=value): the service, with the bucket as its store."""
    def start(secret=SECRET, environment=None, below=(), **settings):
        return service.start(environment=environment, below=below, **{
            "store": "s3://%s/grafana" % BUCKET, "s3_endpoint": store.url,
            "s3_access_key_id": ID,
            "s3_secret_access_key_file": secret_file(service, secret),
            **settings})
    return start


def key_of(reply):
    """The object's name, from the reply's address."""
    found = re.search(r"/saved-images/(\d{4}-\d\d-\d\d/[0-9a-f]{64}\.png)$",
                      reply.json["pubImg"])
    return "%s/grafana/%s" % (BUCKET, found[1])


def is_kept(store, reply):
    """What the reply calls saved is there, whole."""
    body = store.objects[key_of(reply)].body
    return (len(body) == reply.json["bytes"] and
            hashlib.sha256(body).hexdigest() in reply.json["pubImg"])


widths = itertools.count(500)


def another():
    """A panel that nobody has asked for yet."""
    return PANEL + "&width=%d&height=222" % next(widths)


# The checker itself, against the examples of Amazon's documentation.

EXAMPLES = [
    ("GET", "/test.txt", b"", {
        "range": "bytes=0-9", "x-amz-content-sha256": sigv4.EMPTY},
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ("PUT", "/test%24file.text", b"Welcome to Amazon S3.", {
        "date": "Fri, 24 May 2013 00:00:00 GMT",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": hashlib.sha256(
            b"Welcome to Amazon S3.").hexdigest()},
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ("GET", "/?lifecycle", b"", {"x-amz-content-sha256": sigv4.EMPTY},
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    ("GET", "/?max-keys=2&prefix=J", b"", {"x-amz-content-sha256": sigv4.EMPTY},
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
]


def verify_example(method, target, body, headers, signature, **kw):
    headers = {**EXAMPLE, **headers}
    headers["authorization"] = (
        "AWS4-HMAC-SHA256 Credential=%s/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=%s,Signature=%s" % (ID, ";".join(sorted(headers)),
                                           signature))
    sigv4.verify(method, target, headers.items(), body, {ID: SECRET},
                 kw.get("region", "us-east-1"), kw.get("now", EXAMPLE_TIME))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_checker_agrees_with_amazons_examples(example):
    verify_example(*example)


@pytest.mark.parametrize("code, change", [
    ("SignatureDoesNotMatch", dict(method="PUT")),
    ("SignatureDoesNotMatch", dict(target="/test2.txt")),
    ("XAmzContentSHA256Mismatch", dict(body=b"x")),
    ("AuthorizationHeaderMalformed", dict(region="eu-central-1")),
    ("RequestTimeTooSkewed", dict(now=EXAMPLE_TIME + datetime.timedelta(0, 901))),
])
def test_the_checker_refuses_whatever_was_changed(code, change):
    method, target, body, headers, right = EXAMPLES[0]
    whole = dict(method=method, target=target, body=body, headers=headers,
                 signature=right)
    with pytest.raises(sigv4.Refused) as refused:
        verify_example(**{**whole, **change})
    assert refused.value.code == code


# Saving

def test_a_panel_becomes_an_object_with_its_type_and_its_day(start, post, store):
    start()
    reply = post()
    assert reply.status == 200
    assert is_kept(store, reply)
    kept = store.objects[key_of(reply)].headers
    assert kept["Content-Type"] == "image/png"
    assert kept["Cache-Control"] == "public, max-age=86400, immutable"
    assert "x-amz-acl" not in kept
    assert store.trouble == []


def test_the_acl_and_the_session_token_are_sent_when_they_are_set(
        service, post):
    with objectstore.ObjectStore(tokens={ID: "FwoGZXIvYXdz/long+token=="}) as s:
        service.start(store="s3://%s/grafana" % BUCKET, s3_endpoint=s.url,
                      s3_acl="public-read",
                      environment={"AWS_ACCESS_KEY_ID": ID,
                                   "AWS_SECRET_ACCESS_KEY": SECRET,
                                   "AWS_SESSION_TOKEN": "FwoGZXIvYXdz/long+token=="})
        reply = post()
        assert reply.status == 200 and s.trouble == []
        assert s.objects[key_of(reply)].headers["x-amz-acl"] == "public-read"


def test_the_environments_session_is_not_the_settings_keys(start, post, store):
    start(environment={"AWS_ACCESS_KEY_ID": "AKIAOTHEROTHEROTHER0",
                       "AWS_SECRET_ACCESS_KEY": "another",
                       "AWS_SESSION_TOKEN": "FwoGZXIvYXdz/of/another=="})
    assert is_kept(store, post())
    assert "x-amz-security-token" not in {
        n.lower() for n in store.requests[0].headers}


def test_what_is_sent_to_grafana_and_to_the_bucket_stays_apart(
        start, post, store, grafana):
    start(workers=1, reuse_seconds=600)
    panel = another()
    assert [post(p).status for p in (panel, panel, another())] == [200] * 3
    assert [r.method for r in store.requests] == ["PUT", "HEAD", "PUT"]
    for request in store.requests:
        assert TOKEN not in str(request.headers)
        assert request.headers["Host"] == store.url.split("/")[2]
        assert "X-Forwarded-For" not in request.headers
    head = store.requests[1].headers
    assert not {"Content-Type", "Content-Length", "Cache-Control"} & set(head)
    assert len(grafana.requests()) == 2
    for render in grafana.requests():
        headers = {n.lower(): v for n, v in render["headers"]}
        assert render["method"] == "GET"
        assert headers["host"] == grafana.url.split("/")[2]
        assert headers["authorization"] == "Bearer " + TOKEN
        assert not [n for n in headers if n.startswith(("x-amz-", "content-"))]
        assert "cache-control" not in headers


def test_the_key_may_come_from_the_environment(service, post, store):
    service.start(store="s3://%s/grafana" % BUCKET, s3_endpoint=store.url,
                  environment={"AWS_ACCESS_KEY_ID": ID,
                               "AWS_SECRET_ACCESS_KEY": SECRET})
    assert is_kept(store, post())


def test_the_region_is_signed(start, post):
    with objectstore.ObjectStore(region="eu-central-1") as s:
        start(s3_endpoint=s.url, s3_region="eu-central-1")
        assert is_kept(s, post())
        start(s3_endpoint=s.url)
        assert post().json["outcome"] == "store-failed"


def test_the_bucket_may_be_a_part_of_the_hosts_name(start, post):
    with open("/etc/hosts", "a") as f:
        f.write("127.0.0.1 s3.test %s.s3.test\n" % BUCKET)
    with objectstore.ObjectStore(virtual="s3.test") as s:
        start(s3_endpoint=s.url, s3_style="virtual")
        assert is_kept(s, post())
        assert s.requests[0].target.startswith("/grafana/")


@pytest.fixture
def secure(service):
    """A store over https, and the certificate to trust it by."""
    pem = os.path.join(service.dir, "tls.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", pem,
                    "-out", pem + ".crt", "-days", "2", "-subj", "/CN=s3",
                    "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    with open(pem, "a") as f, open(pem + ".crt") as crt:
        f.write(crt.read())
    with objectstore.ObjectStore(tls=pem) as s:
        yield s, pem + ".crt"


def test_it_may_be_reached_over_https(start, post, secure):
    s, ca = secure
    start(s3_endpoint=s.url, tls_ca_file=ca)
    assert is_kept(s, post())
    start(s3_endpoint=s.url)
    reply = post()
    assert reply.json["outcome"] == "store-failed"
    assert "certificate" in reply.json["detail"]
    assert len(s.objects) == 1


@pytest.mark.parametrize("size", ["width=4000&height=3000", "width=50&height=50"])
def test_large_and_small_images_arrive_whole(start, post, store, size):
    start()
    assert is_kept(store, post(PANEL + "&" + size))


def noise(side):
    """A PNG of so many pixels squared that cannot be made smaller."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    rows = b"".join(b"\0" + random.Random(y).randbytes(3 * side)
                    for y in range(side))
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_an_image_of_megabytes_waits_for_no_word_of_the_store(
        start, store, nginx):
    start(uploads="on")
    assert put(nginx, "nZ_1", noise(800)).status == 201
    kept = store.objects[BUCKET + "/grafana/uploads/nZ_1.png"]
    assert len(kept.body) > 1 << 20
    assert "Expect" not in kept.headers and store.trouble == []


def test_many_at_once_are_all_kept_over_kept_connections(start, post, store):
    start(workers=8)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(
            lambda n: post(PANEL + "&width=%d&height=200" % (300 + n)),
            range(64)))
    assert all(r.status == 200 and is_kept(store, r) for r in replies)
    assert store.trouble == []
    assert store.connections() <= 8


def test_a_picture_is_used_again_while_the_bucket_has_it(
        start, post, store, grafana):
    start(reuse_seconds=600)
    panel = another()
    first = post(panel)
    assert post(panel).json["pubImg"] == first.json["pubImg"]
    assert [r.method for r in store.requests] == ["PUT", "HEAD"]
    assert grafana.counts()["renders"] == 1
    del store.objects[key_of(first)]
    assert is_kept(store, post(panel))
    assert [r.method for r in store.requests] == ["PUT", "HEAD", "HEAD", "PUT"]
    assert store.trouble == []


def put(nginx, name, body):
    return nginx.ask("/grafana-images/%s.png" % name, "PUT", [], body)


def test_an_upload_is_kept_under_its_name_and_never_replaced(
        start, post, store, nginx):
    start(uploads="on")
    one, other = (store.objects[key_of(post(another()))].body for _ in "12")
    assert put(nginx, "aZ_1", one).status == 201
    key = BUCKET + "/grafana/uploads/aZ_1.png"
    assert store.objects[key].body == one
    assert put(nginx, "aZ_1", one).status == 201
    assert put(nginx, "aZ_1", other).status == 409
    assert store.objects[key].body == one
    # the answer to the first try is lost
    store.script.append(objectstore.lose)
    assert put(nginx, "bZ_1", other).status == 201
    assert store.trouble == []


def test_a_store_that_cannot_keep_a_name_from_being_taken_twice_says_so(
        start, post, store, nginx):
    start(uploads="on")
    image = store.objects[key_of(post(another()))].body
    store.script.append(answer(501, "NotImplemented"))
    refused = put(nginx, "cZ_1", image)
    assert refused.status == 500 and b"If-None-Match" in refused.body


# What is tried again, and what is not

@pytest.mark.parametrize("trouble", [
    objectstore.cut, objectstore.lose, objectstore.half,
    answer(503, "SlowDown"), answer(500, "InternalError"),
    answer(502, body=b"<html>"), answer(429, body=b""),
    answer(400, "RequestTimeout")])
def test_what_may_work_in_a_moment_is_tried_once_more(
        start, post, store, trouble):
    start()
    store.script.append(trouble)
    reply = post()
    assert reply.status == 200 and is_kept(store, reply)
    assert len(store.requests) == 2


def test_it_is_tried_no_third_time(start, post, store):
    start()
    store.script.extend([answer(503, "SlowDown")] * 3)
    assert post().json["outcome"] == "store-failed"
    assert len(store.requests) == 2


def break_each_kept_connection(store, count):
    """Serve the first request; then break at each that comes on a connection
    that has served one."""
    store.script.append(objectstore.Handler.serve)
    store.script.extend([objectstore.cut, objectstore.Handler.serve] * count)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_kept_connection_that_breaks_at_each_request_costs_nothing(
        start, post, store, secure, scheme):
    ca = {}
    if scheme == "https":
        store, ca["tls_ca_file"] = secure
    start(workers=1, s3_endpoint=store.url, **ca)
    break_each_kept_connection(store, 9)
    for n in range(10):
        assert is_kept(store, post(PANEL + "&width=%d&height=200" % (300 + n)))
    assert not store.script
    assert len(store.requests) == 19 and store.connections() == 10


def test_a_kept_connection_that_breaks_costs_no_removal(
        service, start, post, store):
    start(workers=1)
    addresses = [post(PANEL + "&width=%d&height=200" % (300 + n)).json["pubImg"]
                 for n in range(9)]
    store.requests.clear()
    break_each_kept_connection(store, 8)
    subprocess.run([service.program, "remove", *addresses], check=True,
                   capture_output=True)
    assert store.objects == {} and store.connections() == 9


def test_a_kept_connection_that_died_costs_nothing(start, post, store):
    start(workers=1)
    store.script.append(objectstore.part_company)
    for n in (1, 2):
        assert is_kept(store, post(PANEL + "&width=%d&height=200" % (300 + n)))
    assert store.connections() == 2


FAILURES = [
    # status, code, outcome, a word of the sentence
    (403, "RequestTimeTooSkewed", "store-failed", "clock"),
    (403, "SignatureDoesNotMatch", "store-failed", "secret"),
    (403, "InvalidAccessKeyId", "store-failed", "access key"),
    (400, "ExpiredToken", "store-failed", "AWS_SESSION_TOKEN"),
    (404, "NoSuchBucket", "store-failed", "no such bucket"),
    (403, "AccessDenied", "store-failed", "s3:PutObject"),
    (403, "QuotaExceeded", "store-full", "quota"),
    (507, "InsufficientStorage", "store-full", "room"),
    (507, "XMinioStorageFull", "store-full", "room"),
    (400, "XMinioAdminBucketQuotaExceeded", "store-full", "quota"),
    (409, "ObjectQuotaExceeded", "store-full", "quota"),
    (400, "AccessControlListNotSupported", "store-failed", "s3_acl"),
    (400, "AuthorizationHeaderMalformed", "store-failed", "s3_region"),
    (301, "PermanentRedirect", "store-failed", "s3_region"),
    (501, "NotImplemented", "store-failed", "s3_acl"),
    (418, "Teapot", "store-failed", "failed"),
]


@pytest.mark.parametrize("status, code, outcome, word", FAILURES)
def test_every_refusal_says_what_to_do(
        start, post, service, store, status, code, outcome, word):
    start()
    store.script.append(answer(status, code))
    reply = post()
    assert reply.json["outcome"] == outcome
    assert reply.status == (507 if outcome == "store-full" else 500)
    assert word in reply.json["detail"]
    record = service.record()
    assert (record["outcome"], record["image"]) == (outcome, "")
    assert store.objects == {} and len(store.requests) == 1


@pytest.mark.parametrize("page", [
    answer(200, body=b"<html>Please log in</html>"),
    answer(200, body=b"<html>", headers=[("ETag", '"1"')]),
    answer(200, body=b"x" * 100000, headers=[("ETag", '"1"')]),
    answer(204, body=b""), answer(302, body=b"", headers=[("Location", "/login")]),
    answer(403, body=b"x" * 100000)])
def test_what_is_no_object_store_saves_nothing(start, post, store, page):
    start()
    store.script.append(page)
    assert post().json["outcome"] == "store-failed"


def test_a_wrong_secret_is_said_and_told_nowhere(start, post, service, store):
    start(secret="anotherSecretThatIsWrong0123456789")
    reply = post()
    assert reply.json["outcome"] == "store-failed"
    assert "secret" in reply.json["detail"]
    assert [t.code for t in store.trouble] == ["SignatureDoesNotMatch"]
    for text in (service.text(), reply.text):
        assert "anotherSecret" not in text and ID not in text


def test_a_clock_20_minutes_off_is_said(start, post, store):
    start()
    store.off_by = datetime.timedelta(minutes=20)
    reply = post()
    assert reply.json["outcome"] == "store-failed"
    assert "clock" in reply.json["detail"]


def test_a_store_that_is_not_there_is_said(start, post):
    start(s3_endpoint="http://127.0.0.1:1")
    reply = post()
    assert reply.json["outcome"] == "store-failed"
    assert "cannot be reached" in reply.json["detail"]


def test_a_name_that_leads_to_a_metadata_service_is_not_followed(start, post):
    with open("/etc/hosts", "a") as f:
        f.write("169.254.169.254 metadata-s3.test\n")
    start(s3_endpoint="http://metadata-s3.test")
    reply = post()
    assert reply.json["outcome"] == "store-failed"
    assert "DNS" in reply.json["detail"]


def test_a_store_that_never_answers_is_slow_when_the_time_is_up(
        start, post, service, store):
    start(answer_seconds=2)
    store.script.append(objectstore.hang)
    reply = post()
    assert (reply.status, reply.json["outcome"]) == (504, "slow")
    assert "object store" in reply.json["detail"]
    assert int(service.record()["total_ms"]) < 3000


@pytest.mark.skipif(not os.path.exists(torture.NTH), reason="needs nth.so")
@pytest.mark.parametrize("connections", ["kept", "new"])
def test_a_call_that_fails_once_costs_one_image_at_most(
        service, store, grafana, connections):
    control = torture.start_with_faults(service, workers=1,
                                        **settings_for(service, store))
    new = connections == "new"
    request = torture.make_request(
        grafana.url + PANEL + ("&var-manner=close" if new else ""))

    def ask():
        """The status; what is called saved is in the bucket, whole."""
        store.objects.clear()
        store.script.extend([objectstore.part_company] * 2 if new else [])
        status, said = torture.reply(torture.ask(request))
        store.script.clear()
        if status == 200:
            (key, kept), = store.objects.items()
            assert said["pubImg"].endswith(key.partition("/")[2])
            assert hashlib.sha256(kept.body).hexdigest() in key
        return status

    assert [ask(), ask()] == [200, 200]
    seen = collections.Counter()
    for k in itertools.count(1):
        control.arm(k, forever=False)
        status = ask()
        failed, name = control.disarm()
        what = "%s, call %d: %d" % (name, k, status)
        assert service.process.poll() is None, what
        if not failed:
            break
        assert ask() == 200, what
        seen[name, status] += 1
    assert store.trouble == []
    assert sanitized() or seen["malloc", 500] > 100, seen
    service.stop()


def test_the_environments_proxy_is_not_used(start, post, store):
    proxy = "http://127.0.0.1:1"
    start(environment={"http_proxy": proxy, "all_proxy": proxy})
    assert post().status == 200


REFUSED = "cannot be reached: nothing listens at its address " \
          "(connection refused)"


@pytest.fixture
def health(nginx, service):
    service.stop()  # what was seen for another test is remembered

    def health():
        reply = nginx.ask("/grafana-images/health")
        return reply.status, json.loads(reply.body)["store"]
    return health


@pytest.mark.parametrize("settings, word", [
    ({"s3_endpoint": "http://127.0.0.1:1"}, REFUSED),
    ({"store": "s3://another/grafana"}, "there is no such bucket")])
def test_health_tells_before_the_first_image_that_the_bucket_is_away(
        start, health, settings, word):
    start(**settings)
    assert [health(), health()] == [(503, word)] * 2


def test_health_asks_for_the_bucket_now_and_then(start, health, store):
    start()
    assert [health() for _ in range(3)] == [(200, "ok")] * 3
    assert [(r.method, r.target) for r in store.requests] == [
        ("HEAD", "/" + BUCKET)]


def test_to_health_a_key_that_may_not_ask_is_as_good_as_one(
        start, health, store):
    start()
    store.script.append(answer(403, "AccessDenied"))
    assert health() == (200, "ok")


def test_health_does_not_wait_for_a_bucket_that_hangs(start, health, store):
    start()
    store.released.clear()
    store.script.append(objectstore.hang)
    assert health() == (503, "does not answer in time")


def test_health_tells_what_became_of_the_last_image(start, post, store, health):
    start()
    assert health() == (200, "ok")
    for code, word in (("AccessDenied", "cannot be written"),
                       ("QuotaExceeded", "full")):
        store.script.append(answer(403, code))
        post(another())
        assert health() == (503, word)
    post(another())
    assert health() == (200, "ok")


# Starting and check

def check(service, environment=None, **settings):
    service.stop()
    service.configure(**settings)
    return subprocess.run([PROGRAM, "check"], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], **(environment or {})})


def settings_for(service, objects, **more):
    return {"store": "s3://" + BUCKET, "s3_endpoint": objects.url,
            "s3_access_key_id": ID,
            "s3_secret_access_key_file": secret_file(service, SECRET), **more}


WRONG = [
    (dict(s3_endpoint=""), "s3_endpoint"),
    (dict(s3_access_key_id=""), "s3_access_key_id"),
    (dict(s3_secret_access_key_file=""), "s3_secret_access_key_file"),
    (dict(s3_access_key_id="", s3_secret_access_key_file=""),
     "AWS_SECRET_ACCESS_KEY"),
    (dict(s3_secret_access_key_file="/etc/nosuch"), "No such file"),
    (dict(s3_secret_access_key_file="/run/empty"), "secret access key"),
    (dict(s3_style="virtual"), "s3_style = path"),
    (dict(s3_region="eu:central"), "s3_region"),
    (dict(s3_acl="public read"), "s3_acl"),
    (dict(store="s3://"), "store"),
    (dict(store="s3://images/a//b"), "store"),
    (dict(store="s3://images/../b"), "store"),
    (dict(store="s3://images/a+b"), "store"),
    (dict(s3_endpoint="http://127.0.0.1/a+b"), "s3_endpoint"),
]


@pytest.mark.parametrize("change, word", WRONG)
def test_what_is_missing_or_wrong_is_said_at_start(service, store, change, word):
    os.close(os.open("/run/empty", os.O_CREAT | os.O_WRONLY, 0o600))
    out = check(service, **settings_for(service, store, **change))
    assert out.returncode == 78 and out.stdout == ""
    assert out.stderr.count("\n") == 1 and word in out.stderr
    cgi = subprocess.run([PROGRAM], capture_output=True, text=True,
                         env={"GATEWAY_INTERFACE": "CGI/1.1"})
    assert cgi.returncode == 78
    assert out.stderr == cgi.stderr and cgi.stdout.startswith("Status: 500")


@pytest.mark.parametrize("settings, endpoint, region", [
    (dict(s3_region="eu-central-1"), "https://s3.eu-central-1.amazonaws.com",
     "eu-central-1"),
    (dict(s3_region="cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn",
     "cn-north-1"),
    (dict(s3_endpoint="https://s3.eu-west-1.amazonaws.com/"),
     "https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
    (dict(s3_endpoint="https://s3.amazonaws.com"), "https://s3.amazonaws.com",
     "us-east-1"),
    (dict(s3_endpoint="https://0123abcd.r2.cloudflarestorage.com"),
     "https://0123abcd.r2.cloudflarestorage.com", "auto"),
    (dict(s3_endpoint="http://rgw:7480"), "http://rgw:7480", "us-east-1"),
])
def test_endpoint_and_region_complete_each_other(
        service, store, settings, endpoint, region):
    wanted = {**settings_for(service, store, s3_endpoint=""), **settings}
    # nobody is asked: no network is there
    out = subprocess.run(
        ["unshare", "--net", PROGRAM, "check"], capture_output=True, text=True,
        env={**os.environ, **{"GRAFANA_IMAGES_" + n.upper(): v
                              for n, v in wanted.items()}})
    assert out.returncode == 0, out.stderr
    printed = dict(line.split(" = ", 1) for line in out.stdout.splitlines())
    assert printed["s3_endpoint"] == endpoint
    assert printed["s3_region"] == region
    assert SECRET not in out.stdout + out.stderr


def test_check_tries_the_bucket_and_leaves_nothing(service, store, grafana):
    out = check(service, **settings_for(service, store))
    assert (out.returncode, out.stderr) == (0, "")
    assert [r.method for r in store.requests] == ["PUT", "GET", "DELETE"]
    assert store.objects == {} and store.trouble == []
    assert ID not in out.stdout


@pytest.mark.parametrize("script, words", [
    ([answer(404, "NoSuchBucket")], "cannot be written: The object store has no"),
    ([objectstore.Handler.serve, answer(403, "AccessDenied")],
     "cannot be read back"),
    ([objectstore.Handler.serve, answer(200, body=b"other")],
     "cannot be read back: The object store received other bytes"),
    ([objectstore.Handler.serve, objectstore.Handler.serve,
      answer(403, "AccessDenied")], "cannot be removed"),
])
def test_check_says_what_is_wrong_with_the_bucket(
        service, store, grafana, script, words):
    store.script.extend(script)
    out = check(service, **settings_for(service, store))
    assert out.returncode == 0
    assert out.stderr.startswith("grafana-images: warning: store = s3://images: ")
    assert words in out.stderr and out.stderr.count("\n") == 1


def test_a_secret_that_everybody_can_read_is_warned_of(service, store, grafana):
    settings = settings_for(service, store)
    os.chmod(settings["s3_secret_access_key_file"], 0o644)
    out = check(service, **settings)
    assert out.returncode == 0 and "everybody" in out.stderr


# Through nginx

class NginxWithBucket(webservers.Nginx):
    """With deploy/nginx/grafana-images-s3.conf, its places filled in."""

    def __init__(self, endpoint, bucket, prefix="/grafana", site=""):
        with open("deploy/nginx/grafana-images-s3.conf") as f:
            text = f.read()
        zone = re.search(r"#( +proxy_cache_path .*(?:\n# +.*)*;)", text)[1]
        zone = re.sub(r"(?m)^#", "", zone).replace(
            "/var/cache/nginx/grafana-images", "cache")
        for old, new in (("/BUCKET/PREFIX/", "/%s%s/" % (bucket, prefix)),
                         ("http://127.0.0.1:7480", endpoint)):
            assert old in text
            text = text.replace(old, new)
        super().__init__(server_before=site, server_extra=text, http_extra=zone)


@pytest.fixture(scope="module")
def front(store):
    with NginxWithBucket(store.url, BUCKET) as server:
        yield server


def target_of(reply):
    return "/saved-images/" + key_of(reply).split("/", 2)[2]


@pytest.fixture
def saved(start, post, store):
    """A picture that nginx has not seen yet."""
    start()
    reply = post(PANEL + "&width=%d&height=333" % next(widths))
    assert reply.status == 200
    store.requests.clear()
    return reply


SAME_HEADERS = ["Content-Type", "X-Content-Type-Options", "Cache-Control",
                "Content-Security-Policy", "Cross-Origin-Resource-Policy",
                "Access-Control-Allow-Origin", "X-Robots-Tag", "Referrer-Policy"]


def test_nginx_serves_it_as_it_serves_a_folder(saved, store, front, service, post,
                                               nginx):
    image = front.ask(target_of(saved))
    assert image.status == 200
    assert image.body == store.objects[key_of(saved)].body
    service.start()
    reply = post()
    in_folder = nginx.ask(reply.json["pubImg"][len(nginx.url):])
    for name in SAME_HEADERS:
        assert image.headers.get_all(name) == in_folder.headers.get_all(name), name
    assert not [n for n in image.headers if n.lower().startswith("x-amz")]


def test_nginx_serves_it_in_a_site_with_a_login_and_pages_for_errors(saved, store):
    with NginxWithBucket(store.url, BUCKET, site="""
            satisfy any; deny all; auth_basic site; auth_basic_user_file /dev/null;
            error_page 401 403 404 502 =200 /page; expires 1h;
            recursive_error_pages on; proxy_intercept_errors on;
            location = /page { return 200 page; }""") as front:
        assert front.ask("/d/panel").body == b"page"
        image = front.ask(target_of(saved), source="127.0.0.2")
        assert image.status == 200
        assert image.body == store.objects[key_of(saved)].body
        assert len(image.headers.get_all("Cache-Control")) == 1
        for name in ("2026-01-01/%s.png" % ("0" * 64), "2", "uploads/a.png",
                     "uploads/.png"):
            assert front.ask("/saved-images/" + name).status == 404
        assert front.ask(target_of(saved), "DELETE").status == 403


def test_nginx_asks_the_bucket_once_and_tells_it_nothing(saved, store, front):
    target = target_of(saved)
    secrets = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Forwarded-For": "1"}
    for method in ("GET", "HEAD", "GET"):
        assert front.ask(target + "?acl", method, secrets).status == 200
    part = front.ask(target, headers={"Range": "bytes=1-3"})
    assert (part.status, part.body) == (206, b"PNG")
    etag = front.ask(target).headers["ETag"]
    assert front.ask(target, headers={"If-None-Match": etag}).status == 304
    assert [(r.method, r.target) for r in store.requests] == [
        ("GET", "/" + key_of(saved))]
    assert [n.lower() for n in store.requests[0].headers] == ["host"]


def test_nginx_serves_what_it_has_while_the_bucket_is_down(
        start, post, store, front):
    start()
    targets = [target_of(post(PANEL + "&width=%d&height=300" % n))
               for n in (401, 402)]
    assert front.ask(targets[0]).status == 200
    store.script.extend([objectstore.cut] * 4)
    assert front.ask(targets[0]).status == 200
    assert front.ask(targets[1]).status == 502
    store.script.clear()
    assert front.ask(targets[1]).status == 200


@pytest.mark.parametrize("status, code", [(403, "AccessDenied"),
                                          (404, "NoSuchKey"),
                                          (301, "PermanentRedirect")])
def test_what_is_not_there_is_404_and_not_kept(saved, store, front, status, code):
    target = "/saved-images/2026-01-01/%s.png" % hashlib.sha256(
        code.encode()).hexdigest()
    store.script.append(answer(status, code, headers=[("Location", "http://x/")]))
    missing = front.ask(target)
    assert missing.status == 404
    assert b"Error" not in missing.body and "Cache-Control" not in missing.headers
    store.objects["%s/grafana/%s" % (BUCKET, target[14:])] = store.objects[
        key_of(saved)]
    assert front.ask(target).status == 200


DAY = "2026-11-24/" + "0" * 64


@pytest.mark.parametrize("path", [
    "/saved-images/" + DAY, "/saved-images/%s.png/" % DAY,
    "/saved-images/%s.png%%0a" % DAY, "/saved-images/%s.PNG" % DAY,
    "/saved-images/2026-11-24/", "/saved-images/2", "/saved-images/2026-11-24",
    "/saved-images/2026-11-24/../../x.png", "/saved-images/2026-11-24/ab.png",
    "/saved-images/uploads/", "/saved-images/uploads/a.b.png",
    "/saved-images/uploads/%2e%2e/x.png", "/saved-images/grafana-images-check",
    "/.grafana-images-bucket/%s.png" % DAY])
def test_nginx_asks_the_bucket_for_images_only(store, front, path):
    assert front.ask(path).status in (400, 404)
    assert store.requests == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nginx_lets_nobody_write_to_the_bucket(saved, store, front, method):
    assert front.ask(target_of(saved), method, body=b"x").status in (403, 405)
    assert store.requests == []


def test_an_upload_is_served_and_is_an_image_whatever_the_bucket_says(
        store, front):
    store.objects[BUCKET + "/grafana/uploads/a-B_1.png"] = objectstore.Object(
        b"<script>", {"Content-Type": "text/html", "Set-Cookie": "a=b",
                      "Cache-Control": "no-store"})
    image = front.ask("/saved-images/uploads/a-B_1.png")
    assert image.body == b"<script>"
    assert image.headers.get_all("Content-Type") == ["image/png"]
    assert image.headers.get_all("Cache-Control") == [
        "public, max-age=86400, immutable"]
    assert "Set-Cookie" not in image.headers


# Against Ceph

@pytest.fixture(scope="module")
def rgw():
    missing = ceph.missing()
    if missing:
        pytest.skip("no %s; apt-get install --no-install-recommends ceph-mon "
                    "ceph-osd radosgw" % ", ".join(missing))
    with open("/etc/hosts", "a") as f:
        f.write("127.0.0.1 %s.%s\n" % (BUCKET, ceph.DOMAIN))
    with ceph.Ceph() as s:
        s.make_bucket(BUCKET, from_docs("public-read.json", BUCKET))
        s.make_bucket("private")
        yield s


@pytest.fixture
def doomed_rgw(rgw):
    """One of the test's own: now and then Ceph never recovers from it."""
    with ceph.Ceph() as s:
        s.make_bucket(BUCKET)
        yield s


def from_docs(name, bucket):
    """An example of docs/s3.md, for that bucket."""
    with open("docs/s3.md") as f:
        found = re.search(r"`%s`(?:(?!```).)*```\w+\n(.*?)```" % re.escape(name),
                          f.read(), re.S)
    return found[1].replace("BUCKET", bucket)


@pytest.fixture
def start_rgw(rgw, start):
    def start_rgw(**settings):
        return start(**{"s3_endpoint": rgw.url, "s3_access_key_id": ceph.ID,
                        "secret": ceph.SECRET, **settings})
    return start_rgw


def fetch(url, source="127.0.0.1"):
    """Status and body, without credentials."""
    parts = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(parts.hostname, parts.port, 20, (source, 0))
    c.request("GET", parts.path)
    response = c.getresponse()
    body = response.read()
    c.close()
    return response.status, body


def is_in(rgw, reply):
    status, body = fetch("%s/%s" % (rgw.url, key_of(reply)))
    return (status == 200 and len(body) == reply.json["bytes"] and
            hashlib.sha256(body).hexdigest() in reply.json["pubImg"])


def test_ceph_keeps_a_panel_that_anybody_reads_through_nginx(
        rgw, start_rgw, post):
    start_rgw()
    reply = post()
    assert reply.status == 200 and is_in(rgw, reply)
    with NginxWithBucket(rgw.url, BUCKET) as front:
        image = front.ask(target_of(reply))
        assert image.status == 200
        assert image.headers.get_all("Content-Type") == ["image/png"]
        assert hashlib.sha256(image.body).hexdigest() in reply.json["pubImg"]
        assert front.ask("/saved-images/2026-01-01/%s.png" % ("0" * 64)
                         ).status == 404
    assert fetch(rgw.url + "/" + BUCKET)[0] == 403


def test_ceph_lets_only_nginx_read_where_the_policy_says_so(
        rgw, start_rgw, post):
    rgw.make_bucket("inner", from_docs("nginx-only.json", "inner").replace(
        "192.0.2.10", "127.0.0.1"))
    start_rgw(store="s3://inner/grafana")
    reply = post()
    assert reply.status == 200
    with NginxWithBucket(rgw.url, "inner") as front:
        assert front.ask(target_of(reply)).status == 200
    url = rgw.url + "/inner/grafana/" + target_of(reply)[14:]
    assert fetch(url)[0] == 200
    assert fetch(url, "127.0.0.2")[0] == 403


def test_ceph_keeps_an_upload_and_never_replaces_it(
        rgw, start_rgw, post, nginx):
    start_rgw(uploads="on")
    one, other = (fetch(rgw.url + "/" + key_of(post(another())))[1] for _ in "12")
    url = "%s/%s/grafana/uploads/aZ_1.png" % (rgw.url, BUCKET)
    assert put(nginx, "aZ_1", one).status == 201
    assert put(nginx, "aZ_1", one).status == 201
    assert put(nginx, "aZ_1", other).status == 409
    assert fetch(url) == (200, one)


def test_ceph_is_asked_whether_it_still_has_a_picture(rgw, start_rgw, post):
    start_rgw(reuse_seconds=600)
    panel = another()
    first = post(panel)
    assert post(panel).json["pubImg"] == first.json["pubImg"]
    rgw.curl("DELETE", "/" + key_of(first))
    assert is_in(rgw, post(panel))


def test_ceph_takes_the_lifecycle_rule(rgw):
    rgw.curl("PUT", "/%s?lifecycle=" % BUCKET, from_docs("lifecycle.xml", BUCKET))


def test_ceph_takes_virtual_hosts_and_acls(rgw, start_rgw, post):
    start_rgw(s3_endpoint="http://%s:%d" % (ceph.DOMAIN, rgw.port),
              s3_style="virtual")
    reply = post(another())
    assert reply.status == 200 and is_in(rgw, reply)
    start_rgw(store="s3://private/grafana")
    hidden = post(another())
    start_rgw(store="s3://private/grafana", s3_acl="public-read")
    shown = post(another())
    for reply, status in ((hidden, 403), (shown, 200)):
        assert reply.status == 200
        assert fetch(rgw.url + "/private/grafana/" + target_of(reply)[14:]
                     )[0] == status


def test_check_finds_ceph_well_and_leaves_nothing(rgw, service, grafana):
    out = check(service, **settings_for(
        service, rgw, store="s3://private/check", s3_access_key_id=ceph.ID,
        s3_secret_access_key_file=secret_file(service, ceph.SECRET)))
    assert (out.returncode, out.stderr) == (0, "")
    assert "<Key>check" not in rgw.curl("GET", "/private")


def says(service, reply, outcome, word):
    until(lambda: service.record()["outcome"] == outcome, "the log says it too")
    return (reply.json["outcome"] == outcome and word in reply.json["detail"] and
            reply.status == (507 if outcome == "store-full" else 500) and
            service.record()["image"] == "")


def test_ceph_refuses_a_wrong_secret_and_an_unknown_key(
        service, start_rgw, post):
    start_rgw(secret="wrongwrongwrongwrong")
    assert says(service, post(another()), "store-failed", "secret")
    assert "SignatureDoesNotMatch" in service.record()["why"]
    start_rgw(s3_access_key_id="AKIAUNKNOWN")
    assert says(service, post(another()), "store-failed", "access key")


@pytest.mark.skipif(sanitized(), reason="faketime goes before the sanitizer")
@pytest.mark.skipif(not shutil.which("faketime"), reason="no faketime")
def test_ceph_refuses_a_clock_20_minutes_off(service, start_rgw, post):
    faketime = shutil.which("faketime")
    start_rgw(below=(faketime, "-f", "+20m"))
    assert says(service, post(another()), "store-failed", "clock")
    start_rgw(below=(faketime, "-f", "+5m"))
    assert post(another()).status == 200


def test_ceph_has_no_such_bucket(service, start_rgw, post):
    start_rgw(store="s3://nosuch")
    assert says(service, post(another()), "store-failed", "no such bucket")


def test_ceph_says_when_a_quota_is_used_up(rgw, service, start_rgw, post):
    rgw.make_bucket("small")
    rgw.set_quota("small", 1)
    start_rgw(store="s3://small/grafana")
    assert post(another()).status == 200
    assert says(service, post(another()), "store-full", "quota")


def test_storage_that_stopped_behind_a_live_gateway_is_said_in_time(
        rgw, doomed_rgw, service, start_rgw, post):
    start_rgw(s3_endpoint=doomed_rgw.url)
    assert post(another()).status == 200
    doomed_rgw.stop_storage()
    assert says(service, post(another()), "store-failed", "does not answer")
    record = service.record()
    assert 15000 <= int(record["total_ms"]) - int(record["render_ms"]) < 17000
    start_rgw()
    reply = post(another())
    assert reply.status == 200 and is_in(rgw, reply)


def test_a_gateway_killed_in_the_middle_leaves_no_promise_unkept(
        rgw, start_rgw, post):
    start_rgw(workers=8)
    replies = []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(lambda: replies.append(post(another())))
                   for _ in range(60)]
        until(lambda: len(replies) >= 12, "some were saved")
        rgw.kill_gateway()
        concurrent.futures.wait(waiting)
    rgw.start_gateway()
    kept = [r for r in replies if r.status == 200]
    lost = [r for r in replies if r.status != 200]
    assert len(kept) + len(lost) == 60 and len(kept) >= 12 and lost
    assert all(is_in(rgw, r) for r in kept)
    assert {r.json["outcome"] for r in lost} == {"store-failed"}
    # every worker's kept connection is dead now
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: post(another()), range(16)))
    assert all(r.status == 200 and is_in(rgw, r) for r in replies)


# Taking back


def remove(service, *addresses):
    return subprocess.run([service.program, "remove", *addresses],
                          capture_output=True, text=True)


def test_an_image_is_taken_back_by_its_address(start, post, service, store):
    start()
    answer = post()
    assert is_kept(store, answer)
    out = remove(service, answer.json["pubImg"])
    assert (out.returncode, out.stderr) == (0, "")
    assert "removed " in out.stdout and "max-age=86400" in out.stdout
    assert store.objects == {} and store.trouble == []


def test_what_is_no_address_of_ours_is_never_asked_to_be_removed(
        start, service, store):
    start()
    for text in ("https://elsewhere.example/2026-01-02/%s.png" % ("a" * 64),
                 "../../other/key", "a" * 64):
        assert remove(service, text).returncode == 65
    assert [r for r in store.requests if r.method == "DELETE"] == []


def test_a_bucket_that_refuses_to_remove_is_said(start, post, service, store):
    start()
    saved = post()
    store.script.append(answer(403, "AccessDenied"))
    out = remove(service, saved.json["pubImg"])
    assert out.returncode == 74
    assert "cannot be removed" in out.stderr
