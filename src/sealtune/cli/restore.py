"""``sealtune restore``: standard library and the guard alone, so that it always works.

No argument parser either: importing one takes longer than looking for a journal.
"""

import sys

from sealtune.errors import SealtuneError

USAGE = """\
Usage: sealtune restore [--abandon PARAMETER]...

Put back every kernel parameter that an interrupted run left changed. Instant; needs root.

  --abandon PARAMETER  give up a parameter that cannot be restored (a disk that is gone);
                       asks you to type its name
  -h, --help           show this
"""


def main(arguments: list[str]) -> int:
    """Restore, print what was done, return the exit code.

    Args:
        arguments: What follows ``sealtune restore`` on the command line.
    """
    abandon: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            print(USAGE, end="")
            return 0
        name, equals, value = word.partition("=")
        if name != "--abandon" or (not equals and not rest):
            print(USAGE, end="", file=sys.stderr)
            return 2
        abandon.append(value if equals else rest.pop(0))
    try:
        return _restore(abandon)
    except SealtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        print(f"fix:   {error.fix}", file=sys.stderr)
        return error.exit_code


def _confirmed(name: str) -> bool:
    try:
        return input(f"Type {name} to leave it as it is for good: ").strip() == name
    except (EOFError, KeyboardInterrupt):
        return False


def _restore(abandon: list[str]) -> int:
    from sealtune.guard import recovery

    for name in abandon:
        if not _confirmed(name):
            print("not confirmed; nothing was done")
            return 1
    report = recovery.restore(abandon=abandon)
    for name, found, original in report.restored:
        print(f"{name}  {found} -> {original}")
    for name, found, original in report.foreign:
        state = f"left at {found}"
        if found.startswith("["):
            state = "not there any more, with the scheduler that it belongs to"
        print(f"{name}  {state}: somebody else changed it since (it was {original})")
    for name, found, original in report.failed:
        print(f"{name}  could not be put back to {original}, it reads {found}", file=sys.stderr)
    if report.failed:
        print(
            "fix:   run it again; for a device that is gone: --abandon PARAMETER", file=sys.stderr
        )
        return 23
    if not report.restored and not report.foreign:
        print("nothing to restore: every parameter is as it was found")
    return 0
