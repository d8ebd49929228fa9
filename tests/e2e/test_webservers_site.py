"""The shipped configurations inside a site that has rules of its own.

Whatever the site says of access, our lists alone decide who may ask, and saved images
open without a login. A site here is the lines that stand before and after the shipped
file in the web server's own configuration.
"""

import base64
import collections
import http.server
import itertools
import json
import os
import threading

import pytest

import webservers
from test_webservers import (CACHE, DAY, IMAGE, IMAGES, MONITOR, NEIGHBOUR, OLD,
                             STRANGER, Behind, every, htpasswd, is_json_error,
                             is_text_error, new_store, no_store, store, target)

__all__ = ["store"]  # a fixture

SITES_OWN = "127.0.0.5"  # on the site's list
PASSWORDS = "/etc/grafana-images-site.htpasswd"
HASH = "$2a$04$w7HQbs.dlMEP7gw3nO9zPui4g6XShHFlTRx0quh6jpvq15yA91F6O"
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"grafana:secret").decode()}
BEARER = {"Authorization": "Bearer glsa_x"}

# closed: the site refuses a stranger (its own login, or its list).
Site = collections.namedtuple("Site", "before after inside closed",
                              defaults=("", "", False, True))

BASIC = "auth_basic site; auth_basic_user_file %s;" % PASSWORDS
NGINX = {
    "login": Site(BASIC),
    "login-after": Site(after=BASIC),
    "login-elsewhere": Site("""
        auth_request /site-login; error_page 401 = /sign-in;
        location = /site-login { internal; error_page 500 /x; return 401; }
        location = /sign-in { return 302 /login; }"""),
    "list": Site("allow %s; deny all;" % SITES_OWN),
    "list-or-login": Site("satisfy any; allow %s; deny all; %s" % (SITES_OWN, BASIC)),
    # Whoever the site lets in is no reason to let him in here.
    "any-login-is-good": Site("""
        satisfy any; auth_request /site-login;
        location = /site-login { internal; return 204; }""", closed=False),
    "pages-for-errors": Site("""
        error_page 400 401 403 404 405 413 422 500 502 503 504 =200 /page;
        fastcgi_intercept_errors on; expires 1h; recursive_error_pages on;
        location = /page { return 200 page; }""", closed=False),
}
VALID_USER = """
  AuthType Basic
  AuthName site
  AuthUserFile %s
  Require valid-user
""" % PASSWORDS
APACHE = {
    "login": '<Location "/">%s</Location>' % VALID_USER,
    "login-in-If": '<If "true">%s</If>' % VALID_USER,
    "list": '<Location "/">\nRequire ip %s\n</Location>' % SITES_OWN,
    "old-list": '<Location "/">\nOrder deny,allow\nDeny from all\n'
                'Allow from %s\n</Location>' % SITES_OWN,
    "old-list-or-login": '<Location "/">\nSatisfy Any\nOrder deny,allow\n'
                         'Deny from all\n%s</Location>' % VALID_USER,
}
OPEN_APACHE = {
    "all-granted": '<Location "/">\nRequire all granted\n</Location>',
    "old-all-granted": '<Location "/">\nSatisfy Any\nOrder allow,deny\n'
                       'Allow from all\n</Location>',
    "all-to-grafana": 'ProxyPass "/" "http://127.0.0.1:GRAFANA/"',
    "place-to-grafana": '<Location "/">\nProxyPass "http://127.0.0.1:GRAFANA/"\n'
                        '</Location>',
    # With the line that the files' heads ask for.
    "rules-to-grafana": """
      RewriteEngine On
      RewriteRule "^/(?:grafana-images|saved-images)(?:/|$)" - [END]
      RewriteRule "^/(.*)" "http://127.0.0.1:GRAFANA/$1" [P]""",
    "pages-for-errors": """
      ProxyErrorOverride On
      <Location "/">
        ProxyErrorOverride On
        ErrorDocument 403 "a page"
        ErrorDocument 503 "a page"
      </Location>""",
}


def apache_sites():
    """In a <VirtualHost> with the file for all of them, before the line that includes
    it, and after that."""
    for sites, closed in ((APACHE, True), (OPEN_APACHE, False)):
        for name, lines in sites.items():
            yield name + "-of-one-host", Site("", lines, False, closed)
            yield name + "-before", Site(lines, "", True, closed)
            yield name + "-after", Site("", lines, True, closed)


LIGHTTPD_LOGIN = """
server.modules += ( "mod_auth", "mod_authn_file" )
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "%s"
""" % PASSWORDS
LIGHTTPD_REQUIRE = """auth.require = ( "" => (
  "method" => "basic", "realm" => "site", "require" => "valid-user" ) )
"""
LIGHTTPD = {
    "login": Site(LIGHTTPD_LOGIN + LIGHTTPD_REQUIRE),
    "login-after": Site(after=LIGHTTPD_LOGIN + LIGHTTPD_REQUIRE),
    "login-of-one-host": Site(
        LIGHTTPD_LOGIN + '$HTTP["host"] =~ "." { %s }' % LIGHTTPD_REQUIRE),
    "list": Site('$HTTP["remote-ip"] != "%s" { url.access-deny = ( "" ) }'
                 % SITES_OWN),
    "open": Site('$HTTP["url"] =~ "^/" { url.access-deny = () }', closed=False),
    "pages-for-errors": Site("""
server.error-handler = "/page"
server.error-handler-404 = "/page"
server.error-intercept = "enable"
server.errorfile-prefix = "/page-"
""", closed=False),
}
CADDY = {
    # Where the file's head says that it belongs.
    "login": Site(after="handle {\nbasicauth {\ngrafana %s\n}\nrespond 204\n}" % HASH),
    "list": Site("@out not remote_ip %s\nrespond @out 403" % SITES_OWN),
    "list-of-errors": Site("@out not remote_ip %s\nerror @out 403" % SITES_OWN),
    "pages-for-errors": Site(after="handle_errors {\nrespond page 200\n}\nerror 404",
                             closed=False),
}
APACHES = dict(apache_sites())
# What matters here is the same text in all three files, but for who starts the program.
SOME = {name: APACHES[name] for name in (
    "login-of-one-host", "old-list-or-login-after", "old-all-granted-after",
    "all-to-grafana-before", "rules-to-grafana-before", "pages-for-errors-after")}
SITES = [(webservers.Nginx, NGINX), (webservers.Lighttpd, LIGHTTPD),
         (webservers.Caddy, CADDY), (webservers.ApacheProxyFcgi, APACHES),
         (webservers.ApacheFcgid, SOME), (webservers.ApacheCgid, SOME)]


def all_sites():
    for cls, sites in SITES:
        [server] = every([cls])
        for name, site in sites.items():
            yield pytest.param((cls, site), id="%s-%s" % (cls.name, name),
                               marks=server.marks)


Around = collections.namedtuple("Around", "server site")


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """What the site hands on to Grafana. It takes everything."""

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"grafana")

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def elsewhere():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", params=all_sites())
def around(request, store, elsewhere):
    """A server with a site, and nobody behind the socket."""
    cls, site = request.param
    htpasswd(PASSWORDS)
    if os.path.exists(webservers.SOCKET):
        os.unlink(webservers.SOCKET)
    with cls(allow=[NEIGHBOUR], monitors=[MONITOR], 
             server_before=site.before.replace("GRAFANA", str(elsewhere)),
             server_extra=site.after.replace("GRAFANA", str(elsewhere)),
             inside=site.inside,
             program="/nonexistent/grafana-images") as server:
        yield Around(server, site)
        server.stop(graceful=False)


SAVE = [("POST", "/grafana-images"), ("PUT", "/grafana-images/a.png")]
WATCH = ["/grafana-images/health", "/grafana-images/metrics",
         "/grafana-images?health", "/grafana-images?metrics"]


def test_the_site_has_rules_of_its_own(around):
    """Else the tests below would show nothing."""
    answer = around.server.ask("/d/panel", source=STRANGER)
    assert (answer.status in (302, 401, 403)) == around.site.closed


@pytest.mark.parametrize("source", [STRANGER, SITES_OWN, "127.0.0.1"])
def test_an_image_opens_without_a_login(around, source):
    for name in IMAGES:
        for headers in ({}, BEARER, LOGIN):
            answer = around.server.ask(target(name), headers=headers, source=source)
            assert (answer.status, answer.body) == (200, IMAGE)
            assert answer.headers.get_all("Cache-Control") == [CACHE]
    # What is removed does not become a page or a way to log in.
    answer = around.server.ask(target(DAY + "/" + "7" * 64 + ".png"), source=source)
    assert answer.status == 404 and "Location" not in answer.headers
    for name in (".state/key", ".state/" + OLD + ".png", "secret.png", DAY, ""):
        assert around.server.ask(target(name), source=source).status >= 400
    for method in ("POST", "PUT", "DELETE"):
        answer = around.server.ask(target(IMAGES[0]), method, body=b"x",
                                   source=source)
        assert answer.status in (403, 405)


@pytest.mark.parametrize("headers", [{}, BEARER, LOGIN], ids=["no", "token", "login"])
def test_the_lists_alone_say_who_may_ask(around, headers):
    def asked(method, path, source):
        return around.server.ask(path, method, headers,
                                 None if method == "GET" else b"{}", source=source)

    for method, path in SAVE:
        for source in ("127.0.0.1", NEIGHBOUR):
            assert asked(method, path, source).body.startswith(b"down: "), path
        for source in (STRANGER, SITES_OWN, MONITOR):
            answer = asked(method, path, source)
            assert is_text_error(answer, (403,), "refused-here"), path
    for path in WATCH:
        for source in ("127.0.0.1", MONITOR):
            assert asked("GET", path, source).body.startswith(b"down: "), path
        for source in (STRANGER, SITES_OWN, NEIGHBOUR):
            answer = asked("GET", path, source)
            assert is_text_error(answer, (403,), "refused-here"), path


# ---- The lists have one name


BACKUPS = ["%s~", "%s.bak", "%s.dpkg-old", "%s.dpkg-dist", "%s.swp", "%s.1", "%sed",
           "%s.d/all", "#%s#", ".%s.swp", "old-%s"]


@pytest.mark.parametrize("cls", every([c for c in webservers.ALL if c.allow_file]))
def test_a_backup_of_a_list_is_no_list(cls):
    left = []
    server = cls(program="/nonexistent/grafana-images")
    try:
        for (path, _), backup in itertools.product(server.lists(), BACKUPS):
            folder, name = os.path.split(path)
            left.append(os.path.join(folder, backup % name))
            os.makedirs(os.path.dirname(left[-1]), exist_ok=True)
            with open(left[-1], "w") as f:
                f.write(cls.list_text([STRANGER]))
        with server:
            for method, path in SAVE + [("GET", path) for path in WATCH]:
                body = None if method == "GET" else b"{}"
                answer = server.ask(path, method, body=body, source=STRANGER)
                assert is_text_error(answer, (403,), "refused-here")
                answer = server.ask(path, method, body=body)
                assert answer.body.startswith(b"down")
    finally:
        for path in left:
            os.unlink(path)


# ---- With the program behind it


# A site that has all of it.
EVERYTHING = {
    webservers.Nginx: Site(NGINX["list-or-login"].before
                           + NGINX["pages-for-errors"].before),
    webservers.Lighttpd: Site(LIGHTTPD["login"].before
                              + LIGHTTPD["pages-for-errors"].before),
    webservers.Caddy: Site(after=CADDY["login"].after + """
        handle_errors {
          respond page 200
        }"""),
    **{cls: Site(after=APACHE["old-list-or-login"]
                 + OPEN_APACHE["pages-for-errors"])
       for cls in (webservers.ApacheProxyFcgi, webservers.ApacheFcgid,
                   webservers.ApacheCgid)}}


@pytest.fixture(scope="module", params=every(webservers.ALL))
def behind_a_site(request, responder):
    """A server with such a site, and the program behind it."""
    cls = request.param
    site = EVERYTHING[cls]
    htpasswd(PASSWORDS)
    with cls(allow=[NEIGHBOUR], monitors=[MONITOR], server_before=site.before,
             server_extra=site.after, program=responder.program) as server:
        no_store(responder)
        if not server.listens:
            new_store(responder, "www-data")
        yield Behind(server, responder)
        no_store(responder)


def test_a_token_meets_no_login_of_the_site(behind_a_site):
    behind_a_site.start(uploads="on")
    answer = behind_a_site.post(behind_a_site.question)
    assert answer.status == 200, answer.body
    server = behind_a_site.server
    address = json.loads(answer.body)["pubImg"]
    image = server.ask(address[len(server.url):], source=STRANGER)
    assert image.status == 200 and image.body.startswith(b"\x89PNG")
    assert image.headers.get_all("Cache-Control") == [CACHE]
    assert server.ask("/grafana-images/health", source=MONITOR).status == 200


@pytest.mark.parametrize("manner, status, word", [
    ("404", 404, "not-found"), ("401", 401, "token-refused"),
    ("403", 403, "forbidden"), ("500", 502, "upstream")])
def test_errors_of_the_service_are_no_pages_of_the_site(behind_a_site, manner,
                                                         status, word):
    behind_a_site.start(uploads="on")
    question = json.dumps({"imageUrl": "%s&var-manner=%s" % (
        behind_a_site.responder.panel, manner)}).encode()
    for headers, check in (({}, is_text_error),
                           ({"Accept": "application/json"}, is_json_error)):
        assert check(behind_a_site.post(question, headers), (status,), word)


def test_what_the_service_is_not_asked_with_is_its_own_error(behind_a_site):
    behind_a_site.start(uploads="on")
    answer = behind_a_site.post(b"{}", credentials=False)
    assert is_text_error(answer, (401,), "no-token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert is_text_error(behind_a_site.post(b"{}"), (400,), "malformed")
    answer = behind_a_site.server.ask("/grafana-images/a.png", "PUT", body=b"x")
    assert is_text_error(answer, (422,), "not-a-png")
    answer = behind_a_site.server.ask("/grafana-images")
    assert is_text_error(answer, (405,), "method")
