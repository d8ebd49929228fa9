"""Runs deploy/notify/notify-with-graph by its two names, and reads what it sends."""

import email
import email.policy
import os
import pathlib
import subprocess

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
PICTURE = "https://g.example/saved-images/2026-11-22/0.png"


def read_mail(raw):
    """A mail, once it is certain that every mail server takes it."""
    raw.decode("ascii")
    assert max(map(len, raw.split(b"\n"))) <= 78
    head = raw.split(b"\n\n")[0].lower()
    for name in b"to", b"subject", b"mime-version", b"content-type":
        assert (b"\n" + head).count(b"\n" + name + b":") == 1
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert not mail.defects and mail.get_content_type() == "text/html"
    return mail


class Notifier:
    """A folder with stand-ins for the program and for sendmail."""

    def __init__(self, folder):
        self.folder = folder
        self.program("echo " + PICTURE)
        self.script("sendmail", "cat >%s/mail" % folder)

    def script(self, name, text):
        path = self.folder / name
        path.write_text("#!/bin/sh\n%s\n" % text)
        path.chmod(0o755)

    def program(self, text):
        self.script("grafana-images", text)

    def run(self, name, *arguments, **env):
        env = {"PATH": "%s:%s" % (self.folder, os.environ["PATH"]),
               "LC_ALL": "C", "SENDMAIL": str(self.folder / "sendmail"), **env}
        return subprocess.run(
            [DEPLOY / name, *map(os.fsencode, arguments)],
            env={k: os.fsencode(v) for k, v in env.items()},
            capture_output=True, timeout=60)

    def mail(self, panel="https://g.example/d/x?viewPanel=1", kind="PROBLEM",
             host="db-07", service="disk", state="CRITICAL",
             address="ops@example.com", when="now", output="full", **env):
        """The mail that it sends."""
        (self.folder / "mail").unlink(missing_ok=True)
        out = self.run("nagios/notify-by-mail", panel, kind, host, service,
                       state, address, when, output, **env)
        assert (out.returncode, out.stderr) == (0, b"")
        return read_mail((self.folder / "mail").read_bytes())

    def chat(self, webhook, **env):
        """Its exit status and what it complains of."""
        out = self.run("icinga/notify-by-webhook", **{
            "WEBHOOK": webhook, "HOST_NAME": "db-07", "SERVICE_NAME": "disk",
            "GRAPH_IMAGE": "https://g.example/d/x?viewPanel=1",
            "NOTIFICATION_TYPE": "PROBLEM", "SERVICE_STATE": "CRITICAL",
            "SERVICE_OUTPUT": "full", **env})
        return out.returncode, out.stderr.decode()
