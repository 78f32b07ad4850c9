"""A browser, and a small server that shows it the snapshots of a dry run, or changed ones."""

import asyncio
import copy
import functools
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
SEED = 3
TRIALS = 14


@contextmanager
def launched(*arguments: str) -> Iterator[Any]:
    """Yield a running Chromium, with further `arguments`; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if BROWSER is None:
        pytest.skip("no chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=[*ARGUMENTS, *arguments]
        )
        yield browser
        browser.close()


def recorded(store_path: Path) -> dict[str, dict[str, Any]]:
    """Return snapshots of one dry run: ``confirm`` in the middle of the pairs, and ``done``.

    ``real`` is the last one dressed up as a real session that asks whether to keep its gain.
    """
    from sealtune import session
    from sealtune.entry import prepare
    from sealtune.report.events import PairFinished
    from sealtune.request import Request
    from sealtune.store import SqliteStore
    from sealtune.store.schema import dump
    from sealtune.web.build import Present, Stored, build
    from sealtune.web.snapshot import Stop

    seen: dict[str, dict[str, Any]] = {}
    store = SqliteStore(store_path)

    def take(name: str, stop: Stop) -> None:
        row = store.session()
        stored = Stored(row, store.trials(row.id), store.moments(row.id), store.living(row.id))
        seen[name] = json.loads(dump(build(stored, Present(stop=stop)).as_dict()))

    def notify(event: object) -> None:
        if isinstance(event, PairFinished) and event.index == 4:
            take("confirm", Stop(possible=True, asked=False, reason="Ends the session."))

    request = Request(
        description="a write-heavy PostgreSQL database",
        tactician="random",
        trials=TRIALS,
        seed=SEED,
        dry_run=True,
        use_memory=False,
        command="sealtune optimize 'a write-heavy PostgreSQL database' --dry-run",
    )
    with pytest.MonkeyPatch.context() as patch:  # the explanation at the end is not looked at here
        quick = functools.partial(session.weigh_knobs, resamples=4, shadow_fits=2)
        patch.setattr(session, "weigh_knobs", quick)
        session.tune(prepare(request), store, notify)
    take("done", Stop(possible=False, asked=False, reason="The session is over."))
    seen["real"] = _dressed_up(seen["done"])
    return seen


def _dressed_up(simulated: dict[str, Any]) -> dict[str, Any]:
    snapshot = copy.deepcopy(simulated)
    names = [one["name"] for one in snapshot["parameters"]]
    values = [{"name": name, "before": "1", "after": "2"} for name in names[:2]]
    snapshot["simulated"] = False
    snapshot["guard"]["writes"] = [
        {"at": snapshot["started"], "name": name, "before": "1", "after": "2"} for name in names
    ]
    snapshot["apply"] = {
        "how": "session",
        "reason": "The session asks now.",
        "command": f"sealtune apply {snapshot['id']}",
        "confirmation": f"apply {snapshot['id']}",
        "values": values,
        "applied": False,
    }
    return snapshot


class Pages:
    """Serves the page and whatever snapshots it is given, under the policy of the real server.

    Attributes:
        shown: Id of a session to its snapshot.
        posted: Every POST as path, CSRF header and body.
    """

    def __init__(self, shown: dict[str, dict[str, Any]]) -> None:
        self.shown = {name: {**snapshot, "id": name} for name, snapshot in shown.items()}
        self.posted: list[tuple[str, str | None, Any]] = []
        self._server: Any = None
        self.url = ""

    def change(self, name: str, **fields: Any) -> None:
        """Show other fields of a session from now on."""
        self.shown[name] = {**self.shown[name], **fields}

    def start(self) -> None:
        """Serve from a thread, on any free port."""
        import uvicorn

        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._app(), log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        threading.Thread(target=self._server.run, args=([listener],), daemon=True).start()

    def stop(self) -> None:
        """Serve no more, and cut every stream."""
        self._server.should_exit = self._server.force_exit = True

    def _app(self) -> Any:
        from starlette.applications import Starlette
        from starlette.responses import FileResponse, JSONResponse, StreamingResponse
        from starlette.routing import Mount, Route
        from starlette.staticfiles import StaticFiles

        from sealtune.web.app import STATIC
        from sealtune.web.security import POLICY

        async def page(_request: Any) -> Any:
            return FileResponse(STATIC / "index.html", headers={"content-security-policy": POLICY})

        async def session(request: Any) -> Any:
            name = request.path_params["name"]
            return JSONResponse(self.shown[next(iter(self.shown)) if name == "last" else name])

        async def events(request: Any) -> Any:
            name = request.path_params["name"]
            stream = self._stream("snapshot", lambda: self.shown[name])
            return StreamingResponse(stream, media_type="text/event-stream")

        async def listing(_request: Any) -> Any:
            stream = self._stream("sessions", self._listing)
            return StreamingResponse(stream, media_type="text/event-stream")

        async def offer(request: Any) -> Any:
            apply = self.shown[request.path_params["name"]]["apply"]
            return JSONResponse({**apply, "diff": "+a = 2\n", "conflicts": ["another file"]})

        async def post(request: Any) -> Any:
            body, csrf = await request.json(), request.headers.get("x-csrf-token")
            self.posted.append((request.url.path, csrf, body))
            return JSONResponse({"asked": True, "says": "It was asked."}, 202)

        async def me(_request: Any) -> Any:
            return JSONResponse({"csrf": "the token", "version": "0", "host": "h"})

        one = "/api/sessions/{name}"
        return Starlette(
            routes=[
                Route("/", page),
                Route("/session/{name}", page),
                Mount("/static", StaticFiles(directory=STATIC)),
                Route("/api/self", me),
                Route("/api/events", listing),
                Route(one, session),
                Route(f"{one}/events", events),
                Route(f"{one}/apply", offer, methods=["GET"]),
                Route(f"{one}/apply", post, methods=["POST"]),
                Route(f"{one}/stop", post, methods=["POST"]),
            ]
        )

    def _listing(self) -> dict[str, Any]:
        return {"sessions": [_listed(one) for one in self.shown.values()]}

    async def _stream(self, event: str, read: Any) -> Any:
        """Send what `read` returns now, and again whenever it changed."""
        sent = ""
        yield "retry: 100\n\n"
        while True:
            data = json.dumps(read())
            if data != sent:
                sent = data
                yield f"event: {event}\ndata: {data}\n\n"
            await asyncio.sleep(0.05)


def _listed(snapshot: dict[str, Any]) -> dict[str, Any]:
    verdict = snapshot["verdict"] or {}
    names = ("id", "workload", "description", "simulated", "state", "started", "finished")
    return {name: snapshot[name] for name in names} | {
        "status": "finished" if snapshot["finished"] else "running",
        "trials": len(snapshot["runs"]),
        "verdict": verdict.get("verdict"),
        "gain": verdict.get("gain"),
        "curve": [run["best"] for run in snapshot["runs"] if run["phase"] == "search"],
    }


def axe_findings(page: Any) -> list[str]:
    """Return what axe-core calls serious or critical on `page`, one line each."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{one['impact']} {one['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
