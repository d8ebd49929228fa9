"""An alert of Nagios or Icinga goes out, whatever a check prints and whatever fails."""

import html
import json
import re
import time

import pytest

from notify import PICTURE, Notifier
from test_clients import Stub

LONG = "x" * 100_000
# what a check prints, and what people are to read of it
OUTPUTS = {
    "Latin-1": (b"Ger\xe4t nicht verf\xfcgbar", "Ger\u00e4t nicht verf\u00fcgbar"),
    "UTF-8": ("gr\u00f6\u00dfe \u20ac \U0001f525".encode(),
              "gr\u00f6\u00dfe \u20ac \U0001f525"),
    "UTF-8 that was cut": (b"gr\xc3\xb6\xc3", "gr\u00f6\u00c3"),
    "no text": (bytes([255, 254, 129, 27, 1, 127]) + b"x", "\u00ff\u00fe\ufffd   x"),
    "long": (LONG.encode(), LONG),
    "quotes": (b'"' * 100_000, '"' * 100_000),
    "JSON": (b'"}],"channel":"#x\\', '"}],"channel":"#x\\'),
    "shell": (b"$(id) `id` $HOME \\ ' EOF\nEOF\n.\nx",
              "$(id) `id` $HOME \\ ' EOF\nEOF\n.\nx"),
    "HTML": (b"</pre><script>x</script>&amp;", "</pre><script>x</script>&amp;"),
    "runs backwards": ("a\u2028b\u202ec\x1b[2Jd".encode(), "a b c [2Jd"),
    "nothing": (b"", ""),
}


@pytest.fixture
def notifier(tmp_path):
    return Notifier(tmp_path)


def posted(chat):
    method, path, headers, body = chat.next()
    assert method == "POST" and headers["Content-Type"] == "application/json"
    return json.loads(body.decode("utf-8"))


@pytest.mark.parametrize("what", OUTPUTS)
def test_a_mail_says_what_the_check_printed(notifier, what):
    printed, read = OUTPUTS[what]
    text = notifier.mail(output=printed).get_content()
    assert "<pre>%s</pre>" % html.escape(read) in text
    assert '<img src="%s"' % PICTURE in text


@pytest.mark.parametrize("what", OUTPUTS)
def test_a_chat_is_told_what_the_check_printed(notifier, what):
    printed, read = OUTPUTS[what]
    with Stub(body=b"ok") as chat:
        assert notifier.chat(chat.url, SERVICE_OUTPUT=printed) == (0, "")
        attachment, = posted(chat)["attachments"]
    assert attachment["text"] == html.escape(read, quote=False)
    assert attachment["image_url"] == PICTURE
    assert attachment["title"] == attachment["fallback"] == \
        "PROBLEM: disk on db-07 is CRITICAL"


@pytest.mark.parametrize("service, read", [
    ("Speicher gr\u00f6\u00dfe /data", "Speicher gr\u00f6\u00dfe /data"),
    (b"Pl\xe4tze", "Pl\u00e4tze"),
    ("y" * 3000, "y" * 3000),
    ("\u20ac" * 1000, "\u20ac" * 1000),
    ("a " * 1000 + "b", "a " * 1000 + "b"),
    ("=?utf-8?q?evil?=", "=?utf-8?q?evil?="),
    ("disk\r\nBcc: evil@example.com\r\n\r\nx", "disk Bcc: evil@example.com x"),
    ("disk\n.\n", "disk ."),
])
def test_a_subject_is_one_header_that_reads_as_the_service_does(
        notifier, service, read):
    mail = notifier.mail(service=service, host="db\nCc: evil@example.com")
    assert mail["Bcc"] is None and mail["Cc"] is None
    assert " ".join(mail["Subject"].split()) == \
        "PROBLEM: %s on db Cc: evil@example.com is CRITICAL" % read


@pytest.mark.parametrize("address, read", [
    ("ops@example.com\nBcc: evil@example.com", "ops@example.com"),
    ("a@example.com,b@example.com", "a@example.com, b@example.com"),
    (",".join("contact%d@example.com" % i for i in range(200)),
     ", ".join("contact%d@example.com" % i for i in range(200))),
    ("B\u00fcro <ops@b\u00fccher.example>",
     "B\u00fcro <ops@xn--bcher-kva.example>"),
])
def test_addresses_stay_those_of_the_contact(notifier, address, read):
    mail = notifier.mail(address=address)
    assert str(mail["To"]).split() == read.split() and mail["Bcc"] is None


def test_where_nothing_is_known_the_alert_still_goes_out(notifier):
    mail = notifier.mail("", "", "", "", "", "ops@example.com", "", "")
    assert mail["Subject"] == "ALERT: something is in no known state"
    with Stub(body=b"ok") as chat:
        out = notifier.run("icinga/notify-by-webhook", WEBHOOK=chat.url)
        assert out.returncode == 0
        attachment, = posted(chat)["attachments"]
    assert attachment["title"] == "ALERT: something is in no known state"
    assert "image_url" not in attachment


FAILURES = {
    "says why": ("echo grafana-images: slow: Grafana took too long. >&2; exit 75",
                 "grafana-images: slow: Grafana took too long."),
    "says nothing": ("exit 3", "ended with 3"),
    "says what is no address": ("echo hello", "ended with 0"),
    "says two lines": ("echo https://a; echo https://b", "ended with 0"),
    "hangs": ("exec tail -f /dev/null", "timed out after"),
    "dies": ("kill -9 $$", "ended with -9"),
    "says what is no text": ("printf '\\377\\033[2J\\n' >&2; exit 1",
                             "\u00ff [2J"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_without_a_picture_the_alert_goes_out_and_says_why(notifier, what):
    program, why = FAILURES[what]
    notifier.program(program)
    start = time.monotonic()
    text = notifier.mail(PICTURE_SECONDS="1").get_content()
    assert "<p>There is no picture: " in text and why in text
    with Stub(body=b"ok") as chat:
        assert notifier.chat(chat.url, PICTURE_SECONDS="1") == (0, "")
        attachment, = posted(chat)["attachments"]
    assert attachment["text"].startswith("full (There is no picture: ")
    assert why in attachment["text"] and "image_url" not in attachment
    assert time.monotonic() - start < 20


def test_without_the_program_the_alert_goes_out(notifier):
    text = notifier.mail(GRAFANA_IMAGES="/nonexistent").get_content()
    assert "There is no picture: " in text and "/nonexistent" in text


@pytest.mark.parametrize("text", [
    "<!channel>", "<!here|x>", "<@U012>", "<!subteam^S1>", "@channel", "@here",
    "@everyone", "@all", "x:@channel", "_@here",
    "<https://evil.example|https://grafana.example.com/login>",
    "[https://grafana.example.com/login](https://evil.example)",
    "![x](https://evil.example/x.png)", "[x][y]\n\n[y]: https://evil.example"])
@pytest.mark.parametrize("where", ["SERVICE_OUTPUT", "SERVICE_NAME",
                                   "HOST_NAME"])
def test_a_chat_sees_no_mention_or_link_in_what_a_check_says(
        notifier, text, where):
    with Stub(body=b"ok") as chat:
        assert notifier.chat(chat.url, **{where: text}) == (0, "")
        attachment, = posted(chat)["attachments"]
    for name in "title", "text", "fallback":
        assert not re.search(r"[<>]|@\w|\][(\[:]", attachment[name])
    # people still read what it was
    shown = html.unescape(attachment["title"] + attachment["text"])
    assert " ".join(text.split()) in \
        " ".join(shown.replace("\u200b", "").split())


def answers(*statuses):
    """A chat that answers so, one after another, and then with 200; 0 is no answer."""
    left = list(statuses)

    def answer(handler, over):
        status = left.pop(0) if left else 200
        if status == 0:
            return
        handler.send_response(status)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return answer


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_chat_that_fails_is_asked_again(notifier, status):
    with Stub(answer=answers(status)) as chat:
        assert notifier.chat(chat.url) == (0, "")
        assert posted(chat) == posted(chat)
        assert chat.requests.empty()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_chat_that_does_not_take_all_of_it_gets_what_matters(
        notifier, status):
    with Stub(answer=answers(status)) as chat:
        assert notifier.chat(chat.url, SERVICE_OUTPUT=LONG) == (0, "")
        assert posted(chat)["attachments"]
        text = posted(chat)["text"]
        assert text.startswith("PROBLEM: disk on db-07 is CRITICAL\nxxxx")
        assert len(text) < 1000


@pytest.mark.parametrize("status", [302, 307, 401, 403, 404, 410])
def test_a_chat_that_refuses_is_said_without_its_address(notifier, status):
    with Stub(answer=answers(status, status)) as chat:
        code, said = notifier.chat(chat.url + "/hooks/SECRET")
        assert code == 69 and "SECRET" not in said
        assert said == ("notify-by-webhook: the chat did not take the message:"
                        " %d\n" % status)
        posted(chat)
        assert chat.requests.empty()


@pytest.mark.parametrize("webhook", [
    "", "hooks.example/SECRET", "file:///etc/passwd", "https://hooks/ SECRET",
    "https://hooks/SECRET\nx", "https://hooks/SECRET\u00e9"])
def test_a_webhook_that_is_none_is_said_without_it(notifier, webhook):
    code, said = notifier.chat(webhook)
    assert code == 64 and "WEBHOOK is not" in said and "SECRET" not in said


def test_a_mail_that_sendmail_refuses_is_a_failure(notifier):
    notifier.script("sendmail", "exit 75")
    arguments = ["", "PROBLEM", "h", "s", "OK", "ops@example.com", "", ""]
    assert notifier.run("nagios/notify-by-mail", *arguments).returncode == 75
    out = notifier.run("nagios/notify-by-mail", *arguments,
                       SENDMAIL="/nonexistent")
    assert out.returncode == 69 and b"/nonexistent" in out.stderr
    out = notifier.run("nagios/notify-by-mail", *arguments[1:])
    assert out.returncode == 64 and b"PANEL TYPE HOST" in out.stderr


def test_the_secrets_are_on_no_command_line(notifier, tmp_path):
    notifier.program("cat /proc/*/cmdline >%s/seen 2>/dev/null; echo %s" %
                     (tmp_path, PICTURE))
    with Stub(body=b"ok") as chat:
        assert notifier.chat(chat.url + "/hooks/SECRET") == (0, "")
    seen = (tmp_path / "seen").read_bytes()
    assert b"notify-by-webhook" in seen and b"SECRET" not in seen
