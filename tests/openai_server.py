"""A scripted OpenAI-compatible server on loopback: words, streams, errors, hangs; keeps requests.

>>> with OpenAIServer([Text("hello")]) as server:
...     server.url.startswith("http://127.0.0.1:"), server.requests
(True, [])
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Text:
    """Words; streamed in `chunks` pieces when a stream is asked for."""

    text: str
    chunks: int = 4
    finish_reason: str = "stop"
    pause: float = 0.0


@dataclass(frozen=True)
class Call:
    """One tool call; its arguments are streamed as deltas when a stream is asked for."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)

    @property
    def json(self) -> str:
        """The arguments as they go over the wire; a text goes as it is, broken or not."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Calls:
    """Several tool calls in one answer, after some words."""

    calls: tuple[Call, ...]
    text: str = ""


@dataclass(frozen=True)
class Error:
    """An HTTP error, such as 401, 429 or 500."""

    status: int
    message: str = "scripted error"
    retry_after: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Hang:
    """No answer for `seconds`; the server's end cuts it short."""

    seconds: float = 30.0


@dataclass(frozen=True)
class Raw:
    """A body as it is: broken JSON, nothing at all, five megabytes."""

    body: str = ""
    content_type: str = "application/json"


@dataclass(frozen=True)
class Drop:
    """The connection is closed without a word."""


Reply = Text | Call | Calls | Error | Hang | Raw | Drop | str


@dataclass(frozen=True)
class Received:
    """One request as it came.

    Attributes:
        path: Such as ``/v1/chat/completions``.
        headers: Names in lower case.
        body: The parsed JSON.
        text: Everything that was received, the headers too, without the key.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    text: str

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """The messages of the conversation."""
        return list(self.body.get("messages", ()))

    @property
    def streams(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))


class OpenAIServer:
    """Answers one request after the other with `script`; afterwards with `then`, or 500.

    Attributes:
        requests: What came, in order.
        unused: Replies of the script that nobody asked for yet.
    """

    def __init__(self, script: Sequence[Reply] = (), *, then: Reply | None = None) -> None:
        self.requests: list[Received] = []
        self.unused: list[Reply] = list(script)
        self._then = then
        self._lock = threading.Lock()
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The base URL, ``/v1`` included."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def received(self) -> str:
        """Everything that was received, as one text, without the key."""
        return "\n".join(request.text for request in self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, request: Received) -> Reply:
        """Keep `request` and return what it is answered with."""
        with self._lock:
            self.requests.append(request)
            if self.unused:
                return self.unused.pop(0)
        return self._then or Error(500, "the script has ended")


class _Handler(BaseHTTPRequestHandler):
    owner: OpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        shown = {name: value for name, value in headers.items() if name != "authorization"}
        body = json.loads(raw or "{}")
        request = Received(self.path, headers, body, f"{self.path}\n{shown}\n{raw}")
        reply = self.owner.take(request)
        try:
            self._answer(Text(reply) if isinstance(reply, str) else reply, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone

    def _answer(self, reply: Reply, request: Received) -> None:
        if isinstance(reply, Hang):
            self.owner.closing.wait(reply.seconds)
            self.close_connection = True
        elif isinstance(reply, Drop):
            self.close_connection = True
        elif isinstance(reply, Error):
            self._error(reply)
        elif isinstance(reply, Raw):
            self._send(200, reply.body.encode(), reply.content_type)
        elif request.streams:
            self._stream(reply, request)
        else:
            self._whole(reply, request)

    def _error(self, reply: Error) -> None:
        headers = {"retry-after": reply.retry_after} if reply.retry_after is not None else {}
        error = {"message": reply.message, "type": "scripted", "code": reply.code}
        self._json(reply.status, {"error": error}, headers)

    def _whole(self, reply: Reply, request: Received) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": _words(reply) or None}
        if calls := _calls(reply):
            message["tool_calls"] = [
                {"id": key, "type": "function", "function": {"name": c.name, "arguments": c.json}}
                for key, c in calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self._json(
            200, {**_frame(request, "chat.completion"), "choices": [choice], "usage": usage}
        )

    def _stream(self, reply: Reply, request: Received) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        pause = reply.pause if isinstance(reply, Text) else 0.0
        for delta in [{"role": "assistant", "content": ""}, *_deltas(reply)]:
            self._event(request, {"index": 0, "delta": delta, "finish_reason": None})
            if pause and self.owner.closing.wait(pause):
                return
        self._event(request, {"index": 0, "delta": {}, "finish_reason": _finish(reply)})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, request: Received, choice: Mapping[str, Any]) -> None:
        data = {**_frame(request, "chat.completion.chunk"), "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def _json(
        self, status: int, data: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        self._send(status, json.dumps(data).encode(), "application/json", headers)

    def _send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _frame(request: Received, kind: str) -> dict[str, Any]:
    model = request.body.get("model", "scripted")
    return {"id": "scripted", "object": kind, "created": int(time.time()), "model": model}


def _words(reply: Reply) -> str:
    return reply.text if isinstance(reply, Text | Calls) else ""


def _calls(reply: Reply) -> list[tuple[str, Call]]:
    calls = (
        reply.calls if isinstance(reply, Calls) else (reply,) if isinstance(reply, Call) else ()
    )
    return [(f"call-{time.monotonic_ns()}-{at}", call) for at, call in enumerate(calls)]


def _finish(reply: Reply) -> str:
    return reply.finish_reason if isinstance(reply, Text) else "tool_calls"


def _deltas(reply: Reply) -> list[dict[str, Any]]:
    """Return the pieces of a streamed answer: words, then each call's name and its arguments."""
    words = _words(reply)
    count = reply.chunks if isinstance(reply, Text) else 1
    pieces = [{"content": piece} for piece in _split(words, count)]
    for at, (key, call) in enumerate(_calls(reply)):
        named = {"name": call.name, "arguments": ""}
        pieces.append(
            {"tool_calls": [{"index": at, "id": key, "type": "function", "function": named}]}
        )
        pieces += [
            {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
            for piece in _split(call.json, 3)
        ]
    return pieces


def _split(text: str, count: int) -> list[str]:
    size = max(1, -(-len(text) // max(1, count)))
    return [text[at : at + size] for at in range(0, len(text), size)]
