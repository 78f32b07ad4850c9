"""Where somebody's pattern last matches in what a benchmark printed.

A pattern can take for ever (``(a+)+$``), and Python cannot stop one that has begun. So it runs in
a process of its own, which is this very file and imports the standard library alone.
"""

import json
import re
import resource
import subprocess
import sys
from collections import deque
from collections.abc import Sequence

SECONDS = 5.0
"""Longest that a pattern may take for one run [s]."""


def last_match(pattern: str, texts: Sequence[str]) -> str | None:
    """Return the first group of the last match in the first of `texts` that has one.

    Raises:
        BenchmarkFailedError: It took longer than `SECONDS`, or more memory than it may have.
    """
    from sealtune.errors import BenchmarkFailedError

    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", __file__],
            input=json.dumps([pattern, list(texts)]).encode(),
            capture_output=True,
            timeout=SECONDS,
            env={},
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise BenchmarkFailedError(
            f"the pattern {pattern[:80]!r} found nothing within {SECONDS:g} s in what was printed"
        ) from error
    found: str | None = json.loads(done.stdout)
    return found


def main() -> None:
    """Read pattern and texts from stdin, write the match to stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    pattern, texts = json.load(sys.stdin.buffer)
    compiled = re.compile(pattern, re.MULTILINE)
    for text in texts:
        found = deque(compiled.finditer(text), maxlen=1)
        if found:
            json.dump(found[0].group(1), sys.stdout)
            return
    json.dump(None, sys.stdout)


if __name__ == "__main__":
    main()
