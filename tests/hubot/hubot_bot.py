# SPDX-License-Identifier: Apache-2.0
"""Runs real hubots with real hubot-grafana and deploy/hubot, for tests."""

import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BOTS = pathlib.Path(os.environ.get("HUBOT_BOTS") or HERE.parents[1] / "build/hubot")
PATIENCE = 60  # seconds until something that has to come is given up


class Bot:
    """A hubot in a chat (capture.mjs) of its own.

    `tell` says something in a room, `hear` waits for the next thing that the
    bot says, `end` leaves and returns the rest. `log` and `everything` are
    what it wrote besides, and all that it wrote.
    """

    def __init__(self, installed, folder, environment, adapter="Capture",
                 packages=None, execute=None):
        self.messages = queue.Queue()
        self.refused = []
        self.log = []
        self.everything = ""
        folder.mkdir()
        (folder / "node_modules").symlink_to(installed / "node_modules")
        (folder / "adapters").mkdir()
        shutil.copy(HERE / "capture.mjs", folder / "adapters")
        if packages is None:
            (folder / "scripts").mkdir()
            for name in ("load.mjs", "like-7.2.cjs"):
                shutil.copy(HERE / name, folder / "scripts")
        else:
            (folder / "external-scripts.json").write_text(json.dumps(packages))
        program = installed / "node_modules/hubot/bin"
        program /= "hubot.js" if (program / "hubot.js").exists() else "hubot"
        command = ["node", program, "-f", "./adapters/capture.mjs"]
        if execute:
            command += ["-e", execute]
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(folder),
                 "HUBOT_HTTPD": "false", "HUBOT_NAME": "hubot",
                 "CAPTURE_NAME": adapter, **environment})
        self.readers = [threading.Thread(target=self._read_stdout),
                        threading.Thread(target=self._read_stderr)]
        for reader in self.readers:
            reader.start()

    def _read_stdout(self):
        for line in self.process.stdout:
            self.everything += line
            try:
                thing = json.loads(line)
            except ValueError:
                thing = {"msg": line}
            if "said" in thing:
                self.messages.put((thing["room"], thing["said"]))
            elif "refused" in thing:
                self.refused.append(thing["refused"])
            elif "msg" in thing:
                self.log.append(thing["msg"])
        self.messages.put(None)

    def _read_stderr(self):
        for line in self.process.stderr:
            self.everything += line

    def tell(self, text, room="ops"):
        self.process.stdin.write(f"{room}\t{text}\n")
        self.process.stdin.flush()

    def hear_in(self):
        """The next message and its room."""
        message = self.messages.get(timeout=PATIENCE)
        assert message is not None, f"hubot has died:\n{self.everything}"
        return message

    def hear(self):
        return self.hear_in()[1]

    def is_silent(self):
        return self.messages.empty()

    def end(self):
        """Waits until the bot has said all that it has to say."""
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join()
        assert status == 0, f"hubot has died:\n{self.everything}"
        return [said for _, said in iter(self.messages.get, None)]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout,
                       self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass


@pytest.fixture(scope="session", params=["14", "9"], ids=["hubot-14", "hubot-9"])
def installed(request):
    subprocess.run([HERE / "install", BOTS, request.param], check=True)
    return BOTS / request.param


@pytest.fixture
def hubot(installed, tmp_path):
    """Starts a bot: hubot({"HUBOT_...": ...}, adapter="slack", ...)."""
    bots = []

    def start(environment, installed=installed, **more):
        bot = Bot(installed, tmp_path / f"bot{len(bots)}", environment, **more)
        bots.append(bot)
        return bot

    yield start
    for bot in bots:
        bot.kill()


@pytest.fixture
def closed_port():
    """An address where nothing answers: bound, so that nobody else gets it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"
