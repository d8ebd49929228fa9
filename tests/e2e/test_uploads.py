"""Grafana's own alert images: PUT, as its webdav uploader sends it."""

import os

import pytest

from service import STORE

NAME = "aZ09bcdefghijklmnopq"


@pytest.fixture
def png(service, post, get):
    """A picture, clean already."""
    service.start(uploads="on")
    return get(post().json["pubImg"]).body


@pytest.fixture
def put(nginx, service):
    """put(name, body): exactly what Go's net/http sends for Grafana."""
    def put(name, body, headers=()):
        return nginx.ask("/grafana-images/" + name, "PUT", [
            ("User-Agent", "Go-http-client/1.1"),
            ("Authorization", "Basic Z3JhZmFuYTpzZWNyZXQ="),
            ("Accept-Encoding", "gzip"), *headers], body)
    return put


@pytest.fixture(autouse=True)
def no_uploads():
    yield
    for name in os.listdir(STORE + "/uploads") \
            if os.path.isdir(STORE + "/uploads") else ():
        os.unlink(os.path.join(STORE, "uploads", name))


def test_an_upload_is_201_and_opens_under_its_own_name(
        service, put, png, get, nginx):
    answer = put(NAME + ".png", png)
    assert answer.status == 201
    assert service.record(2)["outcome"] == "saved"
    image = get("%s/saved-images/uploads/%s.png" % (nginx.url, NAME))
    assert (image.status, image.body) == (200, png)
    assert image.headers["Content-Type"] == "image/png"


def test_the_same_bytes_again_are_201_and_others_409(put, png, nginx, service,
                                                     post, get):
    other = get(post("/d/other?viewPanel=1").json["pubImg"]).body
    assert put(NAME + ".png", png).status == 201
    assert put(NAME + ".png", png).status == 201
    answer = put(NAME + ".png", other)
    assert answer.status == 409
    assert answer.body.startswith(b"exists: ")


@pytest.mark.parametrize("name", ["a.b.png", "%20.png", "x" * 65 + ".png",
                                  "%C3%A9.png", "a%2Bb.png"])
def test_another_name_is_malformed_before_the_body_is_looked_at(
        service, put, name):
    service.start(uploads="on")
    answer = put(name, b"no picture")
    assert (answer.status, answer.body[:11]) == (400, b"malformed: ")


@pytest.mark.parametrize("body,status,word", [
    (b"no picture", 422, b"not-a-png"),
    (b"", 422, b"not-a-png"),
    (b"<html>", 422, b"not-a-png"),
])
def test_what_is_no_png_is_422(service, put, body, status, word):
    service.start(uploads="on")
    answer = put(NAME + ".png", body)
    assert answer.status == status
    assert answer.body.startswith(word + b": ")
    assert not os.path.exists("%s/uploads/%s.png" % (STORE, NAME))


def test_what_has_too_many_pixels_or_bytes_is_413(service, put, png):
    service.start(uploads="on", max_image_pixels=1000)
    assert put(NAME + ".png", png).status == 413
    service.start(uploads="on", max_image_bytes=1024)
    answer = put(NAME + ".png", png)
    assert answer.status == 413
    assert answer.body.startswith(b"too-big: ")


def test_wrong_pictures_do_not_apply(service, put, png, nginx):
    import hashlib
    service.start(uploads="on", wrong_pictures="%s=no-renderer" %
                  hashlib.sha256(png).hexdigest())
    assert put(NAME + ".png", png).status == 201


def test_turned_off_a_put_is_405(service, put):
    service.start()
    answer = put(NAME + ".png", b"x")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_turned_on_405_names_both_methods(service, nginx):
    service.start(uploads="on")
    answer = nginx.ask("/grafana-images", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST, PUT")
