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
    _compute_on_one_thread()
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


def _compute_on_one_thread() -> None:
    """Keep the linear algebra of our small models on one thread, before anything loads it.

    More of them only wait for each other there: twice the processor time for slower answers.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
