"""One tuning session at a time, each in a process of its own that ends with this one."""

import json
import subprocess
import threading
from contextlib import suppress
from typing import Any

from sealtune.errors import BusyError, InputError
from sealtune.mcp_server import worker
from sealtune.mcp_server.following import Picture
from sealtune.mcp_server.handover import pack
from sealtune.planning import Plan

BEGIN_SECONDS = 120.0
"""How long a session may take to have a name; a busy machine starts Python slowly [s]."""

END_SECONDS = 20.0
"""How long `Runs.close` waits for the parameters to be back [s]; they come back anyway."""


class Run:
    """A session in a process of its own. Thread-safe.

    Args:
        plan: What the person agreed to.
    """

    def __init__(self, plan: Plan) -> None:
        self._picture = Picture(plan.total_seconds, simulated=plan.simulated)
        self._news = threading.Condition()
        self._count = 0
        self._ended = False
        self._process = subprocess.Popen(
            worker.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            # A client kills our whole process group; the session has to put things back first.
            start_new_session=True,
        )
        self._order(json.dumps(pack(plan)))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def session(self) -> str:
        """Its id in the history; empty before it has one."""
        return self._picture.session

    @property
    def phase(self) -> str:
        """What it does now, see `sealtune.mcp_server.following.PHASES`."""
        return self._picture.phase

    @property
    def over(self) -> bool:
        """Whether there is a result, or there will be none."""
        return self._picture.over

    @property
    def measuring(self) -> bool:
        """Whether a real benchmark may be running now."""
        return not (self._is_back or self._picture.simulated)

    def wait_begun(self) -> None:
        """Return once the session has an id, or has failed.

        Raises:
            InputError: Neither within two minutes; it was told to stop.
        """
        with self._news:
            known = self._news.wait_for(
                lambda: bool(self._picture.session) or self._picture.over, BEGIN_SECONDS
            )
        if not known:
            self.stop()
            raise InputError(
                f"the session did not begin within {BEGIN_SECONDS:.0f} s, and was stopped",
                fix="Look at what else this machine does, and start again.",
            )

    def wait_news(self, seen: int, seconds: float) -> int:
        """Return the number of things said so far, once it is not `seen` or time is up."""
        with self._news:
            self._news.wait_for(lambda: self._count != seen or self._ended, seconds)
            return self._count

    def wait_end(self, seconds: float) -> bool:
        """Return whether the process has ended, waiting for it up to `seconds`."""
        with self._news:
            return self._news.wait_for(lambda: self._ended, seconds)

    def wait_back(self, seconds: float) -> bool:
        """Return whether every parameter is back, waiting for it up to `seconds`."""
        with self._news:
            return self._news.wait_for(lambda: self._is_back, seconds)

    @property
    def _is_back(self) -> bool:
        return self._ended or self._picture.over or self._picture.phase in ("restore", "explain")

    def picture(self) -> dict[str, Any]:
        """Return what is known of it, as plain JSON values."""
        with self._news:
            return self._picture.as_dict()

    def progress(self) -> tuple[float, float, str]:
        """Return seconds done, seconds in all at most, and what is going on."""
        with self._news:
            picture = self._picture
            done = picture.total_seconds - picture.seconds_left
            return done, picture.total_seconds, picture.sentence()

    def stop(self) -> None:
        """End it as Ctrl-C does: parameters back, finished trials kept. Returns at once."""
        self._order("stop")

    def let_go(self) -> None:
        """Close the pipe that keeps it alive; it ends as after `stop`."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _order(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended meanwhile
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                with suppress(ValueError, KeyError, TypeError):  # something else printed a line
                    self._picture.take(json.loads(line))
                self._count += 1
                self._news.notify_all()
        code = self._process.wait()
        self.let_go()
        with self._news:
            if not self._picture.over:
                what = f"its process ended with code {code}"
                fix = "The guard puts everything back; `status` says whether it has."
                self._picture.take({"kind": "failed", "error": what, "fix": fix})
            self._ended = True
            self._count += 1
            self._news.notify_all()


class Runs:
    """The one session that this server may run at a time, and the last that it ran."""

    def __init__(self) -> None:
        self._current: Run | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether a session is."""
        return self._current is not None and not self._current.over

    @property
    def measuring(self) -> bool:
        """Whether a real benchmark may be running now."""
        return self._current is not None and self._current.measuring

    def check_free(self) -> None:
        """Return if a session may be started.

        Raises:
            BusyError: One is running here.
        """
        if self._current is not None and self.running:
            raise BusyError(
                f"session {self._current.session} is running",
                fix="Wait for it with tuning_status, or end it with stop_tuning.",
            )

    def start(self, plan: Plan) -> Run:
        """Start a session and return once it has an id, or has failed.

        Raises:
            BusyError: One is running here.
        """
        with self._lock:
            self.check_free()
            if self._current is not None:  # it is over, and its process all but gone
                self._current.wait_end(END_SECONDS)
            self._current = run = Run(plan)
        run.wait_begun()
        return run

    def named(self, session: str = "") -> Run:
        """Return the session that was started here as `session`; the last one for no name.

        Raises:
            InputError: It was not started here.
        """
        run = self._current
        if run is None:
            raise InputError(
                "no session was started by this server",
                fix="start_tuning starts one; explain_result shows earlier ones.",
            )
        if session not in ("", run.session):
            raise InputError(
                f"session {session!r} is not the one that was started here; that is {run.session}",
                fix="Name that one; explain_result shows any other.",
            )
        return run

    def close(self) -> None:
        """End what runs as Ctrl-C does, and wait a while for its parameters to be back."""
        if self._current is not None:
            self._current.let_go()
            self._current.wait_back(END_SECONDS)
