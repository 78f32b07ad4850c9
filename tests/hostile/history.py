"""A history in which every field says something hostile, looked at in every form there is."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from tests.hostile import judging

from sealtune.store import NewSession, SqliteStore
from sealtune.store.moments import Moment


def in_history(said: Sequence[str]) -> list[str]:
    """Keep a session and a memory that say all of it, and look at them in every form."""
    with tempfile.TemporaryDirectory() as folder:
        pages = [_pages(Path(folder), list(said)), _pages(Path(folder), ["plain"] * len(said))]
    (screens, page, markdown), (_, harmless, _) = pages
    wrong = [f"{told} of {name}" for name, text in screens for told in judging.steers(text)]
    return wrong + judging.acts_in_page(page, harmless) + judging.acts_in_markdown(markdown)


def fill(store: SqliteStore, said: Sequence[str]) -> tuple[str, str]:
    """Keep a session that ended, one that was interrupted, and memories that say all of `said`.

    Returns:
        The ids of the two sessions.
    """
    from tests.report.example import knob, result, run, runs
    from tests.strategist.memory.past import past

    first, every = said[0], " ".join(said)
    whole = result(
        sentence=every, workload_name=first, notes=list(said), untested=list(said),
        command=first, best_config={first: 10}, foreign=list(said),
        knobs=[knob(text, original=text, best=text, effect=text, why=text, trade_off=text)
               for text in said],
        facts={"kernel": first, "cpu_model": every, "cpus": 2},
    )  # fmt: skip
    item = {"param": "vm.swappiness", "min": 1, "max": 2, "why": every}
    config = {"benchmark_command": first, "action_space": [item]}
    name = store.begin(
        NewSession(every, description=every, config=config, arguments={"command": first})
    )
    for trial in runs():
        store.add_trial(name, trial)
    for number, text in enumerate(said, start=20):
        store.add_trial(name, run("search", number, None, {text: text}, failure=text))
    store.add_moments(name, [Moment("note", {"text": text}) for text in said])
    unfinished = store.begin(NewSession(first, description=first))
    for number, text in enumerate(said):
        store.add_trial(unfinished, run("search", number, None, {text: text}, failure=text))
    store.finish(name, "finished", {**whole, "session": name})
    store.finish(unfinished, "interrupted", None)
    for number, text in enumerate(said):
        one = past(id=f"{name}.{number}", session=name, description=text, strategist=text)
        store.add_experience(dataclasses.replace(one, setting={text: text}, traits=(text,)))
    return name, unfinished


def _pages(folder: Path, said: list[str]) -> tuple[list[tuple[str, str]], str, str]:
    history = folder / f"{hash(tuple(said))}.db"
    with SqliteStore(history) as store:
        name, unfinished = fill(store, said)
    page, markdown = folder / "page.html", folder / "page.md"
    screens = []
    with patch.dict(os.environ, {"SEALTUNE_STORE": str(history), "COLUMNS": "80"}):
        for arguments in (
            ("sessions",), ("sessions", "--json"), ("report", name), ("report", name, "--json"),
            ("report", name, "--html", str(page), "--force"),
            ("report", name, "--markdown", "-o", str(markdown), "--force"),
            ("report", unfinished), ("memory", "list"), ("memory", "show", name),
            ("memory", "explain", "a low-latency redis cache"), ("apply", name, "--dry-run"),
            ("export", name, "--optuna", str(folder / "x.db"), "--force"),
            *(("report", text) for text in said[:20]),
        ):  # fmt: skip
            _, out, err = judging.run_program(*arguments)
            screens.append((" ".join(arguments[:2])[:40], out + err))
    return screens, page.read_text("utf-8"), markdown.read_text("utf-8")
