"""The present value of one parameter, and whether it may be written at all."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sealtune.catalogue.knob import Knob
from sealtune.machine.files import read_text, split_selection, under

State = Literal["ok", "missing", "unreadable", "read_only"]

_LISTED_IN = {"tcp_congestion_control": "tcp_available_congestion_control"}
"""Files whose choices stand in another file of the same directory."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read found.

    Attributes:
        state: ``ok``, or why the parameter cannot be tuned here.
        value: Present value, blanks made single; ``None`` if missing or unreadable.
        offered: Values that the kernel itself lists for it; empty where it lists none.
        detail: The system's own words for what went wrong.
    """

    state: State
    value: str | None = None
    offered: tuple[str, ...] = ()
    detail: str = ""


def read_knob(knob: Knob, root: Path = Path("/")) -> Reading:
    """Return the present value of `knob`; a block entry needs its device filled in first.

    Whether it may be written is judged for root, whoever asks, so that a plan made without root
    is the plan that root would get.
    """
    path = under(root, knob.path)
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError) as error:
        return Reading("missing", detail=error.strerror or "")
    except OSError as error:
        return Reading("unreadable", detail=error.strerror or "")
    value, offered = split_selection(text) if knob.kind == "choice" else (_plain(text), ())
    listed = _LISTED_IN.get(path.name)
    if listed is not None:
        offered = tuple((read_text(root, path.parent.relative_to(root) / listed) or "").split())
    state: State = "ok" if _writable(path, mode) else "read_only"
    return Reading(state, value, offered)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _writable(path: Path, mode: int) -> bool:
    # access() tells root that a file of mode 0444 is writable, and the kernel then refuses;
    # a write bit in turn says nothing on a read-only mount, or to the root of a container.
    write_bits = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    if not mode & write_bits or os.statvfs(path).f_flag & os.ST_RDONLY:
        return False
    return os.geteuid() != 0 or os.access(path, os.W_OK)
