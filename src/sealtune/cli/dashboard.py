"""``sealtune dashboard``: a page that follows the running session and shows the past ones."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from sealtune import __version__
from sealtune.errors import InputError, NotRootError

if TYPE_CHECKING:
    from sealtune.store import SessionRow
    from sealtune.web.desk import Held, Keeping

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ADDRESS = "dashboard  "
_END_SECONDS = 5.0
_LAST_LOOK_SECONDS = 2.5

Host = Annotated[
    str, typer.Option("--host", help="Address to listen on; others than loopback need TLS.")
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Port; 0 is any free one [default: 8765]."),
]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", help="Certificate (PEM), for https.")
]
Key = Annotated[Path | None, typer.Option("--tls-key", help="Its private key (PEM).")]
WithoutTls = Annotated[
    bool,
    typer.Option(
        "--without-tls",
        help="With --host: accept that page and key go over the network unencrypted.",
    ),
]
AllowApply = Annotated[
    bool,
    typer.Option(
        "--allow-apply", help="As root: let the page keep the confirmed gain of a past session."
    ),
]
WithSession = Annotated[bool, typer.Option("--with-session", hidden=True)]
Dashboard = Annotated[
    bool,
    typer.Option("--dashboard", help="Show the session in a browser too; prints the address."),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(dashboard)


def dashboard(
    host: Host = "127.0.0.1",
    port: Port = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    without_tls: WithoutTls = False,
    allow_apply: AllowApply = False,
    with_session: WithSession = False,
) -> int:
    """Show sessions in a browser, the running one live; stop it from there. Changes nothing."""
    if (tls_cert is None) != (tls_key is None):
        raise InputError(
            "--tls-cert and --tls-key belong together", fix="Name both files, or none."
        )
    if allow_apply and os.geteuid() != 0:
        raise NotRootError(
            "--allow-apply writes under /etc and to the kernel, which only root may do",
            fix="Leave it away: the page then shows the command to type.",
        )
    from sealtune.store import SqliteStore, default_store_path
    from sealtune.web.app import create_app
    from sealtune.web.confine import confine_writes, run_last
    from sealtune.web.desk import Desk
    from sealtune.web.feed import Feed
    from sealtune.web.security import Logins
    from sealtune.web.serving import bind, serve

    if not allow_apply:  # what it starts to keep a gain, the guard included, must get its turn
        run_last()
    tls = (tls_cert, tls_key) if tls_cert and tls_key else None
    listener, address = bind(host, port, tls=tls, without_tls=without_tls)
    logins = Logins()
    with listener, SqliteStore(default_store_path()) as store:
        # The files, not their directory: beside them lie the guard's journal and what was applied.
        mine = [Path(f"{store.path}{end}") for end in ("", "-wal", "-shm")]
        confined = not allow_apply and confine_writes([*mine, Path("/dev/null")])
        desk = Desk(store.path, keeping(allow_apply=allow_apply))
        feed = Feed(store, desk, of_process=os.getppid() if with_session else None)
        application = create_app(
            feed,
            desk,
            logins,
            host=host,
            port=address.port,
            tls=tls is not None,
            version=__version__,
        )
        path = "/session/last" if with_session else "/"
        print(f"{_ADDRESS}{address.url(logins.token, path)}", flush=True)
        if not with_session:
            local = host in _LOOPBACK
            _explain(address.port, local=local, confined=confined, apply=allow_apply)
        serve(application, listener, address, sys.stdin.fileno() if with_session else None)
    return 0


def _explain(port: int, *, local: bool, confined: bool, apply: bool) -> None:
    lines = ["Whoever has this address sees the sessions and may stop one: keep it to yourself."]
    if local:
        lines.append(f"From another machine: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE")
    if apply:
        lines.append("Started with --allow-apply: it may keep a confirmed gain for good.")
    elif confined:
        lines.append("It cannot write kernel parameters: the kernel confines it (Landlock).")
    else:
        lines.append("This kernel has no Landlock: only its own code keeps it from writing.")
    lines.append("Ctrl-C ends it.")
    for line in lines:
        print(f"           {line}", flush=True)


class Page:
    """The dashboard of one session, in a process of lowest priority; a context manager.

    Args:
        wanted: Whether to have one at all; else nothing here does anything.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._process: subprocess.Popen[str] | None = None
        self._address = ""
        self._seen = False
        """Whether the person has had time to see how it ended."""

    def open(self) -> None:
        """Start it and print its address.

        Raises:
            InputError: It did not start; it has said why.
        """
        if not self._wanted:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sealtune", "dashboard", "--with-session"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is meant for the session
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.startswith(_ADDRESS):
            raise InputError(
                "the dashboard did not start (see above)", fix="Run it without --dashboard."
            )
        self._address = line.removeprefix(_ADDRESS).strip()
        print(f"Dashboard  {self._address}")
        print("           (ends with this command; later: sealtune dashboard)")

    def linger(self) -> None:
        """At a terminal keep the page alive after the verdict, until Enter or Ctrl-C."""
        if not self._address or not sys.stdin.isatty() or not self._is_there():
            return
        _forget_typed()
        print(f"The dashboard stays open: {self._address}")
        with contextlib.suppress(KeyboardInterrupt, EOFError):
            input("Press Enter to end it. ")
        self._seen = True

    def _is_there(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        if self._address and not self._seen and self._is_there():
            time.sleep(_LAST_LOOK_SECONDS)  # the end is still to be shown
        if process.stdin:
            process.stdin.close()  # it ends by that, also when this process is killed
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _forget_typed() -> None:
    """Drop what was typed before the question was there."""
    import termios

    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def keeping(*, allow_apply: bool) -> "Keeping":
    """Return what the page may use: the diff, the journal and, if allowed, keeping a gain."""
    from sealtune.web.desk import Keeping

    return Keeping(
        diff=_diff,
        apply=_apply if allow_apply else None,
        is_applied=_is_applied,
        journal=_Journal().held,
    )


def _diff(row: "SessionRow") -> Mapping[str, Any]:
    from sealtune.toolbox.keeping import file_plan

    plan = file_plan(row)
    return {
        "diff": plan.diff,
        "files": [str(path) for path, _ in plan.files],
        "conflicts": [str(conflict) for conflict in plan.conflicts],
        "undo": f"sealtune revert {plan.name}",
        "gain": plan.gain,
    }


def _is_applied(row: "SessionRow") -> bool:
    from sealtune.toolbox.keeping import is_applied

    return is_applied(row)


def _apply(row: "SessionRow") -> Mapping[str, Any]:
    """Keep the gain by the command that a person would type, in a process of its own."""
    from sealtune.errors import ApplyError

    command = [sys.executable, "-P", "-m", "sealtune", "apply", row.id, "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.strip().removeprefix("error: ").partition("\nfix:")
        raise ApplyError(said[0] or "apply failed", fix=said[2].strip() or None)
    return {"says": done.stdout, "applied": row.workload}


class _Journal:
    """What the guard's journal holds, read again only when the file has changed."""

    def __init__(self) -> None:
        self._stamp: tuple[int, int] | None = None
        self._held: Held | None = ()

    def held(self) -> "Held | None":
        """Return parameter, original and written value of each; ``None`` if it cannot be read."""
        from sealtune.errors import JournalError
        from sealtune.guard.journal import replay
        from sealtune.guard.recovery import PLACES

        try:
            found = os.stat(PLACES.journal)
            stamp = found.st_mtime_ns, found.st_size
            if stamp != self._stamp:
                with open(PLACES.journal, "rb") as file:
                    state, _ = replay(file.read(), PLACES.journal)
                entries = state.held.values()
                self._held = tuple((one.name, one.old, one.new) for one in entries)
                self._stamp = stamp
        except FileNotFoundError:
            return ()
        except (OSError, JournalError):
            return None
        return self._held
