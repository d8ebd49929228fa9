"""The same work as a Python service does it: Flask, requests and Pillow."""

import hashlib
import io
import os
import threading
import time

import flask
import requests
from PIL import Image

STORE = os.environ["STORE"]
PUBLIC = os.environ["PUBLIC"]

app = flask.Flask(__name__)
mine = threading.local()


def fetch(url, authorization):
    if not hasattr(mine, "session"):
        mine.session = requests.Session()
    answer = mine.session.get(url, timeout=45,
                              headers={"Authorization": authorization})
    answer.raise_for_status()
    return answer.content


def check(image):
    with Image.open(io.BytesIO(image), formats=["PNG"]) as picture:
        picture.load()


def keep(image):
    folder = os.path.join(STORE, time.strftime("%Y-%m-%d", time.gmtime()))
    name = hashlib.sha256(image).hexdigest() + ".png"
    part = os.path.join(folder, ".%s.%x" % (name, threading.get_ident()))
    os.makedirs(folder, exist_ok=True)
    with open(part, "wb") as f:
        f.write(image)
        f.flush()
        os.fsync(f.fileno())
    os.rename(part, os.path.join(folder, name))
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return "%s/%s/%s" % (PUBLIC, os.path.basename(folder), name)


@app.post("/grafana-images")
def save():
    question = flask.request.get_json(force=True)
    image = fetch(question["imageUrl"], flask.request.headers["Authorization"])
    check(image)
    return {"pubImg": keep(image)}
