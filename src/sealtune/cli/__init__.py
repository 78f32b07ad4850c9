"""The command line."""

import os
import sys


def main() -> None:
    """Run the program named ``sealtune``.

    ``restore`` takes a way of its own that imports the standard library alone: it has to be
    instant, and to work when everything else is broken.
    """
    _open_closed_streams()
    _show_what_can_be_shown()
    if sys.argv[1:2] == ["restore"]:
        from sealtune.cli.restore import main as restore

        sys.exit(restore(sys.argv[2:]))
    from sealtune.cli.app import run

    sys.exit(run())


def _open_closed_streams() -> None:
    """Let a standard stream that was closed (``<&-``) lead nowhere.

    Else the next file opened, the history for example, would get its number, and its text.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _show_what_can_be_shown() -> None:
    """Let a sign that the locale cannot show become a question mark instead of an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
