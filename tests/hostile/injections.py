"""Texts that try to make sealtune do what nobody asked for, through every door for texts.

    python -m tests.hostile.injections

The texts are those of injections.toml. Nothing of them may reach the kernel outside of the safe
ranges, no command may run that nobody approved, nothing may act on a screen or in a page, and
nothing may end in a traceback. No model, no network and no root is needed.
"""

import os
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from tests.hostile import judging
from tests.hostile.doors import DOORS, SECRET, by_description
from tests.hostile.history import in_history

HERE = Path(__file__).parent
SECONDS = 2.0
"""Most processor time that one text may take at one door [s]."""


def texts(via: str | None = None) -> list[str]:
    """Return the texts, or those of one origin."""
    found = tomllib.loads((HERE / "injections.toml").read_text("utf-8"))["injection"]
    return [one["text"] for one in found if via in (None, one["via"])]


def tried(door: str, text: str) -> list[str]:
    """Put `text` through `door` and return what went wrong, a traceback among it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(
            os.environ,
            {
                "SEALTUNE_STORE": str(Path(folder, "sessions.db")),
                "XDG_CONFIG_HOME": folder,
                "PLANTED_TOKEN": SECRET,
            },
        ),
    ):
        began = time.process_time()
        try:
            wrong = DOORS[door](text)
        except Exception as error:
            wrong = [f"traceback: {type(error).__name__}: {str(error)[:200]}"]
        taken = time.process_time() - began
    return wrong + ([f"took {taken:.1f} s"] if taken > SECONDS else [])


def main() -> int:
    """Put every text through every door; print counts, and what went wrong."""
    began, every = time.monotonic(), texts()
    through: Counter[str] = Counter()
    defects: list[str] = []
    with judging.looked_at_once():
        by_description("warm up: what is loaded once is not counted")
        for door in DOORS:
            for text in every:
                through[door] += 1
                defects += [f"{door}: {told}\n  {text!r}" for told in tried(door, text)]
    stored = in_history(every)
    print(f"texts                        {len(every):8}")
    for door, count in through.items():
        print(f"  through {door:20} {count:8}")
    print(f"  stored, shown in all forms {len(every):8}")
    print(f"broken promises              {len(defects) + len(stored):8}")
    for told in (*defects, *stored)[:40]:
        print(told[:500])
    print(f"wall clock [s]               {time.monotonic() - began:8.0f}")
    return 1 if defects or stored else 0


if __name__ == "__main__":
    sys.exit(main())
