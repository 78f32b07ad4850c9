"""Damage a store's file in many ways, and see what each does: ``python -m tests.store.damages``.

Every operation of the store has to work or to end with an error of ours that says what to do.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.contracts.store import experience, new_session, trial

from sealtune.errors import KeepingError, SessionNotFoundError
from sealtune.store import Moment, SqliteStore

PAGE = 4096
HOW = ("bytes", "noise", "zeros", "end")


def whole(folder: Path) -> bytes:
    """Return the bytes of a store with sessions, trials, moments and experiences."""
    path = folder / "whole.db"
    with SqliteStore(path) as store:
        for number in range(2):
            session = store.begin(new_session())
            for index in range(20):
                store.add_trial(session, trial(index, setting={"vm.swappiness": index}))
            store.add_moments(session, [Moment("note", {"text": "hello"})] * 10)
            store.add_experience(experience(id=f"experience {number}"))
    return path.read_bytes()


def damaged(data: bytes, how: str, choose: random.Random) -> bytes:
    """Return `data` with some bytes changed, a page of noise or of zeros, or its end cut off."""
    found = bytearray(data)
    page = choose.randrange(len(data)) // PAGE * PAGE
    if how == "bytes":
        for _ in range(choose.randrange(1, 30)):
            found[choose.randrange(len(data))] = choose.randrange(256)
    elif how == "noise":
        found[page : page + PAGE] = choose.randbytes(PAGE)
    elif how == "zeros":
        found[page : page + PAGE] = bytes(PAGE)
    else:
        del found[choose.randrange(100, len(data)) :]
    return bytes(found)


def use(path: Path) -> None:
    """Do everything that a store is asked for."""
    with SqliteStore(path) as store:
        store.mark_interrupted()
        for row in store.sessions():
            store.trials(row.id)
            store.moments(row.id)
            store.progress_of(row.id)
            store.living(row.id)
        store.resumable()
        for known in store.experiences():
            store.experience(known.id)
        session = store.begin(new_session())
        store.add_trial(session, trial())
        store.finish(session, "finished", {})


def error_of(path: Path) -> KeepingError | None:
    """Return our error that using the file ends with, None for none; any other is raised."""
    try:
        use(path)
    except KeepingError as error:
        return error
    return None


def outcome(path: Path) -> str:
    """Return how using the file ends: ``works``, ``told``, or what is wrong with the error."""
    error = error_of(path)
    if error is None:
        return "works"
    if isinstance(error, SessionNotFoundError):  # an id itself is damaged
        return "told"
    helps = path.name in str(error) and "Please report" not in error.fix
    return "told" if helps else f"not helpful: {error} | {error.fix}"


def main() -> int:
    """Damage, print the counts, return 1 when an error was not ours or of no help."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        data, path = whole(Path(name)), Path(name) / "sessions.db"
        for how in HOW:
            choose = random.Random(f"{chosen.seed} {how}")
            for _ in range(chosen.files):
                path.write_bytes(damaged(data, how, choose))
                counts[_outcome_or_traceback(path)] += 1
                for file in Path(name).glob("sessions.db*"):
                    file.unlink()
    bad = {what: count for what, count in counts.items() if what not in ("works", "told")}
    print(
        f"{counts.total()} damaged files of {len(data)} bytes: {counts['told']} told as damaged, "
        f"{counts['works']} used without noticing, {sum(bad.values())} tracebacks or unhelpful"
    )
    for what, count in bad.items():
        print(f"  {count} times {what}")
    return 1 if bad else 0


def _outcome_or_traceback(path: Path) -> str:
    try:
        return outcome(path)
    except Exception as error:
        return f"traceback: {error!r}"


if __name__ == "__main__":
    sys.exit(main())
