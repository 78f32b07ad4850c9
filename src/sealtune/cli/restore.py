"""``sealtune restore``: standard library and the guard alone, so that it always works.

No argument parser either: importing one takes longer than looking for a journal.
"""

import sys

from sealtune.errors import SealtuneError

USAGE = """\
Usage: sealtune restore [--abandon PARAMETER]...

Put back every kernel parameter that an interrupted run left changed. Instant; needs root.

  --abandon PARAMETER  give up a parameter that cannot be restored (a disk that is gone), and
                       with a scheduler all that exists only under it; asks you to type its name
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


def _confirmed(name: str, others: list[str]) -> bool:
    what = f"it, and with it {', '.join(others)}, as they are" if others else "it as it is"
    try:
        return input(f"Type {name} to leave {what} for good: ").strip() == name
    except (EOFError, KeyboardInterrupt):
        return False


def _restore(abandon: list[str]) -> int:
    from sealtune.guard import recovery

    given_up: dict[str, None] = {}
    for name in abandon:
        others = recovery.given_up_with(name)
        if not _confirmed(name, others):
            print("not confirmed; nothing was done")
            return 1
        given_up.update(dict.fromkeys([name, *others]))
    report = recovery.restore(abandon=abandon)
    for name, found, original in report.restored:
        print(f"{name}  {found} -> {original}")
    for name, found, original in report.foreign:
        state = f"left at {found}"
        if found.startswith("["):
            state = "not there any more, with the scheduler that it belongs to"
        print(f"{name}  {state}: somebody else changed it since (it was {original})")
    for name in given_up:
        print(f"{name}  given up: left as it is, for good")
    for name, found, original in report.failed:
        print(f"{name}  could not be put back to {original}, it reads {found}", file=sys.stderr)
    if report.failed:
        print(
            "fix:   run it again; for a device that is gone: --abandon PARAMETER (its scheduler "
            "takes what exists only under it along)",
            file=sys.stderr,
        )
        return 23
    if not report.restored and not report.foreign and not given_up:
        print("nothing to restore: every parameter is as it was found")
    return 0
