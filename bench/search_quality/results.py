"""The file of finished searches: one JSON line each, appended at once, resumed from."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.search_quality.runs import Job, Outcome
from sealtune.errors import ConfigError

_FORMAT = "sealtune-search-quality"
_VERSION = 1
_ROOT = Path(__file__).parents[2]
_CODE = (
    "src/sealtune/tactician/*.py",
    "src/sealtune/space/*.py",
    "bench/families.py",
    "bench/forest.py",
    "bench/ground.py",
    "bench/replay.py",
    "bench/sketch.py",
    "bench/synthetic.py",
    "bench/search_quality/grounds.py",
    "bench/search_quality/methods.py",
    "bench/search_quality/priors.py",
    "bench/search_quality/runs.py",
    "bench/surfaces/*.jsonl",
)
"""What a result depends on."""
_PACKAGES = ("numpy", "scipy", "torch", "stable-baselines3", "optuna", "cmaes", "smac", "hebo")


def fingerprint(root: Path = _ROOT) -> str:
    """Return a hash of all code, recordings and package versions that a result depends on."""
    digest = hashlib.sha256(json.dumps(packages(), sort_keys=True).encode())
    for pattern in _CODE:
        for path in sorted(root.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def packages() -> dict[str, str]:
    """Return the versions of the packages that search."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class Results:
    """Finished searches, on disk as soon as they are added.

    Attributes:
        path: The file.
        counts: Trials after which is judged, rising.
        separate: Whether methods that plan searched once for each of `counts`.
        outcomes: What is finished, the latest of each job.
    """

    def __init__(self, path: Path, counts: Sequence[int], *, separate: bool, code: str) -> None:
        self.path, self.separate, self.code = path, separate, code
        self.counts = tuple(sorted(counts))
        self._found: dict[Job, Outcome] = {}

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What is finished."""
        return tuple(self._found.values())

    def without(self, wanted: Sequence[Job]) -> list[Job]:
        """Return those of `wanted` that are not finished yet."""
        return [job for job in wanted if job not in self._found]

    def add(self, outcome: Outcome) -> None:
        """Keep `outcome`; it is on the disk when this returns."""
        self._found[outcome.job] = outcome
        self._append(asdict(outcome))

    def begin(self) -> None:
        """Write the header of a new file; cut a torn last line off an old one."""
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(self._header())
            return
        text = self.path.read_bytes()
        if not text.endswith(b"\n"):
            os.truncate(self.path, text.rfind(b"\n") + 1)

    def _header(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "code": self.code,
            "packages": packages(),
            "trials": list(self.counts),
            "separate": self.separate,
        }

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Return the results in `path`; a torn last line is left out.

        Raises:
            ConfigError: It is no file of results, or a line of it is wrong.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}", fix=_OTHER_FILE) from None
        whole = [line for line in lines if line.endswith("\n")]
        header = _decoded(path, 1, whole[0]) if whole else {}
        if header.get("format") != _FORMAT or header.get("version") != _VERSION:
            raise ConfigError(f"{path} is no file of search results", fix=_OTHER_FILE)
        results = cls(path, header["trials"], separate=header["separate"], code=header["code"])
        for number, text in enumerate(whole[1:], start=2):
            outcome = _outcome(path, number, _decoded(path, number, text))
            results._found[outcome.job] = outcome
        return results


_OTHER_FILE = "Name another file with --out, or move this one away."


def open_results(path: Path, counts: Sequence[int], *, separate: bool) -> Results:
    """Return the results to go on with: those in `path`, or new ones.

    Raises:
        ConfigError: The file holds results of other code or of other counts of trials, which
            must not be mixed.
    """
    fresh = Results(path, counts, separate=separate, code=fingerprint())
    if path.exists() and path.stat().st_size:
        old = Results.load(path)
        if old.code != fresh.code:
            raise ConfigError(
                f"{path} holds results of other code ({old.code}, this is {fresh.code}); "
                "they are not mixed",
                fix=_OTHER_FILE,
            )
        if (old.counts, old.separate) != (fresh.counts, fresh.separate):
            raise ConfigError(
                f"{path} was begun with --trials {','.join(map(str, old.counts))}"
                f"{' --separate' if old.separate else ''}",
                fix="Give the same, or name another file with --out.",
            )
        fresh = old
    fresh.begin()
    return fresh


def _decoded(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        line = None
    if not isinstance(line, dict):
        raise ConfigError(f"{path}, line {number}: not a JSON object", fix=_OTHER_FILE)
    return line


def _outcome(path: Path, number: int, line: dict[str, Any]) -> Outcome:
    try:
        job = Job(**{**line["job"], "counts": tuple(line["job"]["counts"])})
        regrets = {int(count): float(value) for count, value in line["regrets"].items()}
        return Outcome(**{**line, "job": job, "regrets": regrets})
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ConfigError(f"{path}, line {number}: not a search", fix=_OTHER_FILE) from None
