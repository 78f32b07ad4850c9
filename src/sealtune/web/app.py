"""The dashboard as an ASGI application: pages, JSON, event streams and the two buttons."""

import asyncio
import contextlib
import json
import platform
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sealtune.errors import (
    ApplyError,
    BusyError,
    InputError,
    NothingConfirmedError,
    SealtuneError,
    SessionNotFoundError,
)
from sealtune.web.desk import Desk
from sealtune.web.feed import Feed, News
from sealtune.web.security import MOST_BODY_BYTES, Gate, Logins, hosts_for, refused

STATIC = Path(__file__).parent / "static"
MOST_STREAMS = 4
"""A page has two; a browser opens six connections to one host, and a button needs one of them."""
MOST_LISTED = 100
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_STATUS = {
    SessionNotFoundError: 404,
    InputError: 400,
    BusyError: 409,
    NothingConfirmedError: 409,
    ApplyError: 409,
}

Handler = Callable[[Request], Awaitable[Response]]


class Dashboard:
    """Answers requests that the gate has let through.

    Args:
        feed: What there is to see.
        desk: What may be done.
        static: Directory of the page's files.
        version: Of sealtune, shown on the page.
    """

    def __init__(
        self, feed: Feed, desk: Desk, static: Path = STATIC, *, version: str = ""
    ) -> None:
        self._feed, self._desk, self._static = feed, desk, static.resolve()
        self._version = version
        self._streams = 0

    def routes(self) -> list[Route]:
        """Return the addresses; see ``docs/dashboard.md``."""
        one = "/api/sessions/{session}"
        return [
            Route("/", self.page),
            Route("/session/{session}", self.page),
            Route("/static/{path:path}", self.file),
            Route("/favicon.ico", self.icon),
            Route("/api/self", self.self),
            Route("/api/sessions", self.sessions),
            Route("/api/events", self.list_events),
            Route(one, self.session),
            Route(f"{one}/events", self.events),
            Route(f"{one}/apply", self.offer, methods=["GET"]),
            Route(f"{one}/apply", self.apply, methods=["POST"]),
            Route(f"{one}/stop", self.stop, methods=["POST"]),
        ]

    async def page(self, _request: Request) -> Response:
        """Return the one page; which session it shows, its script reads from the address."""
        return self._file("index.html")

    async def icon(self, _request: Request) -> Response:
        """Return nothing, so that browsers stop asking."""
        return Response(status_code=204)

    async def file(self, request: Request) -> Response:
        """Return one of the page's own files."""
        return self._file(request.path_params["path"])

    def _file(self, name: str) -> Response:
        try:
            path = (self._static / name).resolve()
            kind = _TYPES.get(path.suffix)
            there = path.is_relative_to(self._static) and path.is_file()
        except (OSError, ValueError) as error:  # a name too long, or with a null byte
            raise HTTPException(404) from error
        if kind is None or not there:
            raise HTTPException(404)
        return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"})

    async def self(self, request: Request) -> Response:
        """Return what the page has to know about this server, its CSRF token included."""
        return JSONResponse(
            {
                "csrf": request.state.csrf,
                "version": self._version,
                "host": platform.node(),
                "allow_apply": self._desk.keeping.apply is not None,
                "sessions_url": "/api/sessions",
            }
        )

    async def sessions(self, request: Request) -> Response:
        """Return the newest sessions."""
        wanted = request.query_params.get("limit", str(MOST_LISTED))
        if not wanted.isdecimal() or not 1 <= int(wanted[:9]) <= MOST_LISTED:
            raise HTTPException(400, f"limit: a whole number from 1 to {MOST_LISTED}")
        return _json(await asyncio.to_thread(self._feed.listing, int(wanted)))

    async def session(self, request: Request) -> Response:
        """Return the snapshot of a session."""
        session = self._feed.full_id(request.path_params["session"])
        picture = await asyncio.to_thread(self._feed.look, session)
        return _json(picture.text)

    async def events(self, request: Request) -> Response:
        """Stream the snapshots of a session as they change."""
        wanted = request.path_params["session"]
        if wanted != "last":  # which may still have to begin
            wanted = self._feed.full_id(wanted)
        return self._stream(self._feed.follow(wanted))

    async def list_events(self, _request: Request) -> Response:
        """Stream the list of sessions as it changes."""
        return self._stream(self._feed.follow_list())

    def _stream(self, news: AsyncIterator[News | None]) -> Response:
        if self._streams >= MOST_STREAMS:
            fix = "Close other tabs that show this dashboard."
            return refused(503, f"{MOST_STREAMS} pages are being kept up to date already", fix)
        self._streams += 1
        return _Stream(news, self._ended)

    def _ended(self) -> None:
        self._streams -= 1

    async def offer(self, request: Request) -> Response:
        """Return what keeping the gain would write."""
        row = self._feed.row(request.path_params["session"])
        offer = await asyncio.to_thread(self._desk.apply_of, row)
        if offer.how == "no" and not offer.values:
            return refused(409, offer.reason, "Nothing has to be done.")
        if offer.how == "no":
            return JSONResponse(_offer(offer, {}))
        return JSONResponse(_offer(offer, await asyncio.to_thread(self._desk.keeping.diff, row)))

    async def apply(self, request: Request) -> Response:
        """Keep the gain, after the typed confirmation."""
        typed = (await _body(request)).get("confirmation")
        if not isinstance(typed, str):
            return refused(400, "confirmation: a text is missing", "Type what the page asks for.")
        row = self._feed.row(request.path_params["session"])
        status, answer = await asyncio.to_thread(self._desk.apply, row, typed)
        return JSONResponse(answer, status)

    async def stop(self, request: Request) -> Response:
        """Ask the session to stop and put everything back."""
        await _body(request)
        row = self._feed.row(request.path_params["session"])
        return JSONResponse(await asyncio.to_thread(self._desk.stop, row), 202)


class _Stream(StreamingResponse):
    """Server-sent events until the browser or the server goes."""

    media_type = "text/event-stream"

    def __init__(self, news: AsyncIterator[News | None], ended: Callable[[], None]) -> None:
        self._ended = ended
        super().__init__(_wire(news), headers={"x-accel-buffering": "no"})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


async def _wire(news: AsyncIterator[News | None]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    with contextlib.suppress(SealtuneError):  # a store that is gone: the page asks again
        async for one in news:
            yield b": still there\n\n" if one is None else one.encode()


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
        HTTPException: Too long, or no object.
    """
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BODY_BYTES:
            raise HTTPException(413, f"more than {MOST_BODY_BYTES} bytes")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body has to be a JSON object")
    return body


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _offer(offer: Any, diff: Any) -> dict[str, Any]:  # noqa: ANN401
    empty = {"diff": "", "files": [], "conflicts": [], "undo": "", "gain": ""}
    return {
        **empty,
        **diff,
        "how": offer.how,
        "reason": offer.reason,
        "command": offer.command,
        "confirmation": offer.confirmation,
        "values": list(offer.values),
        "applied": offer.applied,
    }


async def _ours(_request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 503)
    return refused(status, str(error), getattr(error, "fix", ""))


async def _http(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    says = {404: "there is nothing at this address", 405: "this address is not for that method"}
    text = says.get(status, getattr(error, "detail", "") or "the request could not be answered")
    return refused(status, text, "Go back to the start page.")


async def _bug(_request: Request, error: Exception) -> Response:
    kind = type(error).__name__
    return refused(500, f"a fault in the dashboard ({kind})", "Please report this.")


def create_app(
    feed: Feed,
    desk: Desk,
    logins: Logins,
    *,
    host: str,
    port: int,
    tls: bool = False,
    static: Path = STATIC,
    version: str = "",
) -> ASGIApp:
    """Return the whole application behind its gate.

    Args:
        feed: What there is to see.
        desk: What may be done.
        logins: Who may come in.
        host: Address it is bound to, a further allowed Host beside the names of loopback.
        port: Port it is bound to.
        tls: Whether it is reached by ``https``.
        static: Directory of the page's files.
        version: Of sealtune, shown on the page.
    """
    handlers: Any = {SealtuneError: _ours, HTTPException: _http, Exception: _bug}
    inner = Starlette(
        routes=Dashboard(feed, desk, static, version=version).routes(), exception_handlers=handlers
    )
    return Gate(
        inner,
        logins=logins,
        hosts=hosts_for(host, port),
        scheme="https" if tls else "http",
        cookie=f"sealtune-{port}",
    )
