"""Descriptions whose meaning is known: what the layer is trained on and compares with."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

NONE = "none"
"""In place of a class: this text describes no workload."""

_FILE = Path(__file__).with_name("examples.toml")


@dataclass(frozen=True, slots=True)
class Example:
    """One description and what it means.

    Attributes:
        text: In plain English, more or less.
        kind: Name of the class, or `NONE`.
        hand: Who wrote it in which style; cross-validation leaves out one hand at a time.
    """

    text: str
    kind: str
    hand: str


def load_examples() -> tuple[Example, ...]:
    """Return all examples, in the order of the file."""
    document = tomllib.loads(_FILE.read_text("utf-8"))
    return tuple(
        Example(text, kind, hand)
        for hand, kinds in document.items()
        for kind, texts in kinds.items()
        for text in texts
    )


def digest() -> str:
    """Return what tells whether the stored layer was trained on the present examples."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()
