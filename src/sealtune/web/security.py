"""Who may talk to the dashboard: the token, the cookie, the host, the origin and the CSRF token.

A page on loopback is open to every user of the machine and to every web page that the person's
browser shows. So: a random token in the URL printed at the start is exchanged for a cookie that
scripts cannot read and other sites cannot send; a host that is not ours is refused, which ends DNS
rebinding; and whatever changes something needs a POST from our own origin with a token that only
our own page could have read.
"""

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 4096
MOST_LOGINS = 64
LOGIN_SECONDS = 24 * 3600.0

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
_ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_CLOSED_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sealtune: not open</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>This dashboard is not open to you</h1>
<p>Open the whole address that <code>sealtune dashboard</code> printed in the terminal when it
started; it ends in <code>?token=...</code>.</p></body></html>
"""

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


class Logins:
    """Who has come with the token: a cookie each, and the CSRF token that belongs to it.

    Args:
        token: The secret of the URL; a fresh one when ``None``.
    """

    def __init__(self, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._known: dict[str, tuple[str, float]] = {}

    def enter(self, token: str) -> str | None:
        """Return the cookie for who has the token, ``None`` for a wrong one."""
        if not _same(token, self.token):
            return None
        while len(self._known) >= MOST_LOGINS:  # the oldest browser has to come again
            del self._known[next(iter(self._known))]
        cookie = secrets.token_urlsafe(32)
        self._known[cookie] = secrets.token_urlsafe(32), time.monotonic() + LOGIN_SECONDS
        return cookie

    def csrf(self, cookie: str) -> str | None:
        """Return the CSRF token of a cookie that is known and not too old."""
        found = None
        for known, (csrf, ends) in self._known.items():  # all of them: the time tells nothing
            if _same(cookie, known) and time.monotonic() < ends:
                found = csrf
        return found


class Gate:
    """Lets through what may pass, and puts the same headers on everything.

    Args:
        app: What is behind it.
        logins: Who may come in.
        hosts: Names that the Host header may have, port included.
        origin: Where our own pages come from, such as ``http://127.0.0.1:8765``; one per host.
        cookie: Name of the cookie; cookies know no port, so it has to name it.
        secure: Whether the browser may send the cookie over TLS only.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        logins: Logins,
        hosts: frozenset[str],
        scheme: str,
        cookie: str,
    ) -> None:
        self._app, self._logins, self._cookie = app, logins, cookie
        self._hosts, self._scheme = hosts, scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answer = self._refusal(scope) or self._entrance(scope) or self._pass(scope)
        await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Answer | None:
        host = Headers(scope=scope).get("host", "").lower()
        if host not in self._hosts:
            return refused(421, "this dashboard does not answer to that host name", _START_FIX)
        return None

    def _entrance(self, scope: Scope) -> Answer | None:
        """Exchange the token for a cookie, and lead to the same page without it."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"))
        token = dict(pairs).get("token")
        if token is None or scope["method"] != "GET":
            return None
        cookie = self._logins.enter(token)
        if cookie is None:
            return _closed(scope)
        rest = urlencode([pair for pair in pairs if pair[0] != "token"])
        # A path that begins with two slashes would lead to another host.
        path = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(
            self._cookie,
            cookie,
            path="/",
            httponly=True,
            samesite="strict",
            secure=self._scheme == "https",
        )
        answer.headers["cache-control"] = "no-store"
        return answer

    def _pass(self, scope: Scope) -> Answer:
        headers = Headers(scope=scope)
        cookies = cookie_parser(headers.get("cookie", ""))
        csrf = self._logins.csrf(cookies.get(self._cookie, ""))
        if csrf is None:
            return _closed(scope)
        if scope["method"] not in ("GET", "HEAD"):
            wrong = self._forged(headers, csrf)
            if wrong is not None:
                return wrong
        scope.setdefault("state", {})["csrf"] = csrf
        return self._app

    def _forged(self, headers: Headers, csrf: str) -> Answer | None:
        """Return the refusal of a change that our own page did not ask for."""
        origin = f"{self._scheme}://{headers['host'].lower()}"
        if headers.get("origin", "").lower() != origin:
            return refused(403, "this was not asked for by the dashboard's own page", _PAGE_FIX)
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return refused(403, "this was asked for by another site", _PAGE_FIX)
        if not _same(headers.get("x-csrf-token", ""), csrf):
            return refused(403, "the CSRF token is missing or not of this login", _PAGE_FIX)
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return refused(400, "the body has to be application/json", _PAGE_FIX)
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 9:
            return refused(411, "the length of the body is missing", _PAGE_FIX)
        if int(length) > MOST_BODY_BYTES:
            return refused(413, f"more than {MOST_BODY_BYTES} bytes", _PAGE_FIX)
        return None


_START_FIX = "Open the address that `sealtune dashboard` printed; name another one with --host."
_PAGE_FIX = "Reload the page, and use its buttons."


def hosts_for(host: str, port: int) -> frozenset[str]:
    """Return what the Host header may say when bound to `host` and `port`.

    >>> sorted(hosts_for("127.0.0.1", 8765))
    ['127.0.0.1:8765', '[::1]:8765', 'localhost:8765']
    """
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()
    names = {*_LOOPBACK, name} - {"0.0.0.0", "[::]", ""}
    default = {80, 443} & {port}
    return frozenset({f"{one}:{port}" for one in names} | (names if default else set()))


def refused(status: int, error: str, fix: str) -> JSONResponse:
    """Return a refusal as every face of the API gives it."""
    return JSONResponse(
        {"error": error, "fix": fix}, status, headers={"cache-control": "no-store"}
    )


def _closed(scope: Scope) -> Response:
    if scope["path"].startswith("/api/"):
        return refused(401, "not logged in", _START_FIX)
    return Response(
        _CLOSED_PAGE, 401, {"cache-control": "no-store"}, media_type="text/html; charset=utf-8"
    )


def _with_headers(send: Send, headers: Mapping[str, str] = _ALWAYS) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = MutableHeaders(scope=message)
            for name, value in headers.items():
                given[name] = value
            given.setdefault("cache-control", "no-store")
        await send(message)

    return sending


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
