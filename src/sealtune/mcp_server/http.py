"""The server on loopback HTTP: a bearer token on every request, and Host and Origin checked."""

import asyncio
import contextlib
import hmac
import os
import secrets
import signal
import socket
import sys
from types import FrameType

import sse_starlette.sse
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sealtune.errors import InputError
from sealtune.mcp_server.server import Server

HOST = "127.0.0.1"
PATH = "/mcp"
TOKEN_VARIABLE = "SEALTUNE_MCP_TOKEN"
SHORTEST_TOKEN = 32
CLOSING_SECONDS = 2


class TokenRequired:
    """Lets a request through only with the token.

    Args:
        app: What it protects.
        token: The secret.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without the token, whatever is asked for."""
        if scope["type"] == "http" and not self._has_token(scope):
            refusal = JSONResponse(
                {"error": "invalid_token", "error_description": "the token printed at start"},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


class QuietServer(uvicorn.Server):
    """A uvicorn that sleeps until there is something to do.

    The original wakes up ten times a second, which a benchmark on the same machine would feel.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._exit = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Wait for a signal to exit."""
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        if not self.should_exit:
            await self._exit.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to exit; it is not raised again afterwards, for there is more to end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._exit.set)


def serve_http(server: Server, port: int) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        server: What is served, at ``http://127.0.0.1:PORT/mcp``.
        port: 0 for any that is free.

    Raises:
        InputError: The port is taken, or the environment's token is too short.
    """
    token = _token()
    listener = _listener(port)
    port = listener.getsockname()[1]
    here = (f"{HOST}:{port}", f"localhost:{port}")
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=TransportSecuritySettings(
            allowed_hosts=list(here), allowed_origins=[f"http://{host}" for host in here]
        ),
    )
    # It would look twice a second whether to exit. Streams end when the server closes them.
    with contextlib.suppress(AttributeError):  # no part of what that library promises
        sse_starlette.sse._get_shutdown_state().watcher_started = True
    config = uvicorn.Config(
        TokenRequired(app, token),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,  # it would be set by the ticks that `QuietServer` leaves out
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )
    _say_where(f"http://{HOST}:{port}{PATH}", token)
    QuietServer(config).run(sockets=[listener])


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        return secrets.token_urlsafe(32)
    if len(given) < SHORTEST_TOKEN or not given.isascii() or not given.isprintable():
        raise InputError(
            f"{TOKEN_VARIABLE}: {len(given)} characters; allowed: {SHORTEST_TOKEN} or more, "
            "printable ASCII",
            fix="Unset it for a new random token at each start.",
        )
    return given


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"--port {port}: {error.strerror}", fix="Name another one, or 0 for any that is free."
        ) from error
    listener.listen()
    return listener


def _say_where(url: str, token: str) -> None:
    print(f"sealtune mcp: {url}", file=sys.stderr)
    print(f"token: {token}", file=sys.stderr)
    print(f"send with every request: Authorization: Bearer {token}", file=sys.stderr, flush=True)
