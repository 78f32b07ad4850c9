"""The command line."""

import sys


def main() -> None:
    """Run the program named ``sealtune``.

    ``restore`` takes a way of its own that imports the standard library alone: it has to be
    instant, and to work when everything else is broken.
    """
    if sys.argv[1:2] == ["restore"]:
        from sealtune.cli.restore import main as restore

        sys.exit(restore(sys.argv[2:]))
    from sealtune.cli.app import run

    sys.exit(run())
