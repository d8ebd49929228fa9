# SPDX-License-Identifier: Apache-2.0
"""Is a request signed by AWS's Signature Version 4?

Written from Amazon's documentation ("Authenticating Requests: Using the
Authorization Header", S3 API Reference), of the standard library alone, and
stricter than most stores: region, date, digest of the body, and that nothing
which must be signed was left out.
"""

import datetime
import hashlib
import hmac
import re
import urllib.parse

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/,\s]+)/(?P<day>\d{8})/"
    r"(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<names>[a-z0-9;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})")
SKEW_SECONDS = 15 * 60
EMPTY = hashlib.sha256(b"").hexdigest()


class Refused(Exception):
    """With the status and the code that S3 has for it."""

    def __init__(self, status, code, why=""):
        super().__init__("%d %s %s" % (status, code, why))
        self.status = status
        self.code = code


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical_uri(path):
    """Each segment decoded and encoded again: S3 does so once, not twice."""
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(path), safe="/-_.~")


def canonical_query(query):
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    quote = urllib.parse.quote
    return "&".join(sorted("%s=%s" % (quote(n, safe="-_.~"), quote(v, safe="-_.~"))
                           for n, v in pairs))


def canonical_request(method, target, headers, names, payload):
    path, _, query = target.partition("?")
    lines = ["%s:%s" % (n, " ".join(headers[n].split())) for n in names]
    return "\n".join([method, canonical_uri(path), canonical_query(query),
                      *lines, "", ";".join(names), payload])


def signature(secret, stamp, region, service, request):
    scope = "%s/%s/%s/aws4_request" % (stamp[:8], region, service)
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = mac(key, part)
    return mac(key, text).hex()


def single(pairs):
    """The headers by their names in lower case, none of them twice."""
    headers = {}
    for name, value in pairs:
        if name.lower() in headers:
            raise Refused(400, "InvalidRequest", name + " twice")
        headers[name.lower()] = value
    return headers


def check_signed(headers, names):
    if names != sorted(set(names)):
        raise Refused(403, "SignatureDoesNotMatch", "names out of order")
    must = {"host"} | {n for n in headers
                       if n.startswith("x-amz-") or n == "content-type"}
    if must - set(names):
        raise Refused(403, "AccessDenied", "not signed: %s" % (must - set(names)))
    if set(names) - set(headers):
        raise Refused(403, "SignatureDoesNotMatch", "signed and not sent: %s"
                      % (set(names) - set(headers)))


def check_time(stamp, day, now):
    try:
        sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
    except ValueError:
        raise Refused(403, "AccessDenied", "no date") from None
    if stamp[:8] != day:
        raise Refused(403, "SignatureDoesNotMatch", "another day's scope")
    if abs((now - sent).total_seconds()) > SKEW_SECONDS:
        raise Refused(403, "RequestTimeTooSkewed", stamp)


def verify(method, target, pairs, body, keys, region, now, tokens=None):
    """Raises Refused unless the request is right in every way. keys: secrets by
    id. tokens: session tokens by id, for the ids that need one."""
    headers = single(pairs)
    found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        raise Refused(403, "AccessDenied", headers.get("authorization", "none"))
    if found["region"] != region or found["service"] != "s3":
        raise Refused(400, "AuthorizationHeaderMalformed",
                      "%(region)s, %(service)s" % found.groupdict())
    payload = headers.get("x-amz-content-sha256")
    if payload is None:
        raise Refused(400, "InvalidRequest", "no x-amz-content-sha256")
    names = found["names"].split(";")
    stamp = headers.get("x-amz-date", "")
    check_signed(headers, names)
    check_time(stamp, found["day"], now)
    if found["id"] not in keys:
        raise Refused(403, "InvalidAccessKeyId", found["id"])
    if headers.get("x-amz-security-token") != (tokens or {}).get(found["id"]):
        raise Refused(403, "InvalidToken")
    request = canonical_request(method, target, headers, names, payload)
    right = signature(keys[found["id"]], stamp, region, "s3", request)
    if not hmac.compare_digest(right, found["signature"]):
        raise Refused(403, "SignatureDoesNotMatch", request)
    if payload != hashlib.sha256(body).hexdigest():
        raise Refused(400, "XAmzContentSHA256Mismatch")
