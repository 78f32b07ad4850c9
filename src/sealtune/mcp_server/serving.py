"""``sealtune mcp``: a server on standard input and output, or on loopback HTTP."""

import signal
import sys

from sealtune.mcp_server.desk import Desk, Options, open_desk
from sealtune.mcp_server.server import Server, build_server


def serve(options: Options, *, port: int | None = None) -> None:
    """Serve until the client, or a signal, ends it; a session that runs ends with it.

    Args:
        options: The switches.
        port: For HTTP on loopback, 0 for any that is free; ``None`` for standard streams.

    Raises:
        InputError: A wish makes no sense, or the port is taken.
    """
    desk = open_desk(options)
    server = build_server(desk)
    _say_how(options)
    try:
        if port is None:
            _serve_streams(server)
        else:
            from sealtune.mcp_server.http import serve_http

            serve_http(server, port)
    finally:
        _close(desk)


def _serve_streams(server: Server) -> None:
    if sys.stdin.isatty():
        print("A client starts this, and speaks JSON with it. Ctrl-C ends it.", file=sys.stderr)
    # Python could not end while a thread reads standard input. Nothing has to be tidied up: the
    # process of a session notices that this one is gone.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server.run("stdio")


def _close(desk: Desk) -> None:
    if desk.runs.running:
        print("sealtune mcp: ending the session, putting parameters back", file=sys.stderr)
    desk.runs.close()


def _say_how(options: Options) -> None:
    may = ["plan"]
    may += ["tune"] if options.allow_tuning else []
    may += ["apply"] if options.allow_apply else []
    simulated = ", SIMULATED: a dry run" if options.dry_run else ""
    print(f"sealtune mcp: may {', '.join(may)}{simulated}", file=sys.stderr)
