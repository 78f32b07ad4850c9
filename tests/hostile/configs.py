"""Thousands of hostile configs through the command line; counts what became of them.

    python -m tests.hostile.configs --count 10000

Each is written to a file and given to ``sealtune run FILE --dry-run`` in this process: it must
end with a message, a fix and an exit code, or with a plan whose every setting is safe and whose
command needs nobody's approval. One of some hundred is run to its end, on the simulated machine,
through ``run_rl_optimization`` as well. Nothing of the machine is written.
"""

import argparse
import contextlib
import os
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.hostile import hostility, oracle
from tests.hostile.judging import dangers_of_plan, looked_at_once, run_program, steers

from sealtune.plan import Plan
from sealtune.space.safety import SafetyValidator

SECONDS = 2.0
"""Most processor time that one config may take [s]."""
MEBIBYTES = 64.0
"""Most memory that one config may take beyond what the process had [MiB]."""
MOST_SHOWN = 100_000
"""Most that one config may put on the screen [characters]."""
_PLAIN = """{"workload_name": "x", "reward_metric": "throughput", "benchmark_command": "pgbench",
    "action_space": [{"param": "vm.swappiness"}]}"""
_UNHEALTHY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@dataclass
class Tally:
    """What became of the configs.

    Attributes:
        outcomes: Exit code with the error's class, or what the plan runs, to the count.
        defects: Every promise that was broken, with its config.
        settings: Settings that were judged.
        sessions: Simulated sessions that were run to their end.
        largest: Most memory that one config took beyond what was there [MiB].
        slowest: Longest processor time that one config took [s].
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    settings: int = 0
    sessions: int = 0
    slowest: float = 0.0
    largest: float = 0.0

    @property
    def configs(self) -> int:
        """How many configs there were."""
        return sum(self.outcomes.values())


class Attack:
    """Gives configs to the program and judges what comes of each.

    Args:
        folder: Empty directory for the configs, the history and a home.
        sessions: One in so many plans is run to its end; none for 0.
    """

    def __init__(self, folder: Path, sessions: int = 0) -> None:
        self.tally = Tally()
        self._file = folder / "config.json"
        self._sessions = sessions
        self._plans: list[Plan] = []
        self._accepted = 0
        self._validator = SafetyValidator()

    @contextlib.contextmanager
    def prepared(self):
        """Keep every plan that is made, and look at the machine once rather than each time."""
        import sealtune.entry

        prepare = sealtune.entry.prepare

        def kept(*arguments, **options):
            plan = prepare(*arguments, **options)
            self._plans.append(plan)
            return plan

        place = {"SEALTUNE_STORE": str(self._file.with_name("sessions.db")), "COLUMNS": "80"}
        with (
            looked_at_once(),
            patch.object(sealtune.entry, "prepare", kept),
            patch.dict(os.environ, place),
        ):
            yield self

    def warm_up(self) -> None:
        """Import what a plan needs, which is none of the first config's doing."""
        self._file.write_text(_PLAIN, "utf-8")
        self._run("run", str(self._file), "--dry-run")

    def strike(self, content: bytes) -> None:
        """Give the program one config and judge what it makes of it."""
        self._file.write_bytes(content)
        self._plans.clear()
        before = _start_peak()
        began = time.process_time()  # the machine may be busy otherwise
        outcome = self._run("run", str(self._file), "--dry-run")
        taken = time.process_time() - began
        self.tally.slowest = max(self.tally.slowest, taken)
        if taken > SECONDS:
            self._defect(f"took {taken:.1f} s", content)
        grown = _memory("VmHWM") - before
        self.tally.largest = max(self.tally.largest, grown)
        if grown > MEBIBYTES:
            self._defect(f"took {grown:.0f} MiB", content)
        if self._plans:
            outcome = f"a plan: {self._judge(self._plans[0], content)}"
            self._accepted += 1
            if self._sessions and self._accepted % self._sessions == 0:
                self._whole(content)
        self.tally.outcomes[outcome] += 1

    def _run(self, *arguments: str) -> str:
        """Run the program as a shell would; return how it ended."""
        try:
            code, out, said = run_program(*arguments)
        except BaseException as error:
            self._defect(f"traceback: {type(error).__name__}: {str(error)[:200]}")
            return "traceback"
        for told in steers(out + said):
            self._defect(told)
        if len(out + said) > MOST_SHOWN:
            self._defect(f"{len(out + said)} characters on the screen")
        if code not in (0, 3, 4) and not ("error: " in said and "fix:   " in said):
            self._defect(f"exit code {code} without a message and a fix: {said[:200]!r}")
        return f"refused with exit code {code}"

    def _judge(self, plan: Plan, content: bytes) -> str:
        """Check everything that `plan` could write and run; return what it runs."""
        dangers, judged = dangers_of_plan(plan)
        self.tally.settings += judged
        for told in dangers:
            self._defect(told, content)
        for item in plan.config.action_space:
            for value in (item.min, item.max, item.start, *(item.choices or ())):
                self._judge_value(item.param, value, content)
        instead = "a private instance in place of the person's own"
        return f"{plan.spec.name}, {instead if plan.spec.target else 'the command'}"

    def _judge_value(self, name: str, value: object, content: bytes) -> None:
        """Hold the validator's word on a value of the config against the oracle's."""
        from sealtune.catalogue import load_catalogue

        if value is None or not self._validator.validate(name, value):
            return
        resolved = load_catalogue().resolve(name).name
        if "{dev}" in resolved:
            return
        if told := oracle.unsafe_value(resolved, value):
            self._defect(f"the validator allows {told}", content)

    def _whole(self, content: bytes) -> None:
        """Run the config's session to its end, through the Python API."""
        from sealtune import run_rl_optimization
        from sealtune.request import Request

        wishes = Request(dry_run=True, trials=1, tactician="random", seed=1)
        try:
            result = run_rl_optimization(self._file, request=wishes)
        except Exception as error:
            from sealtune.errors import SealtuneError

            if not isinstance(error, SealtuneError):
                self._defect(f"session: {type(error).__name__}: {str(error)[:200]}", content)
            return
        self.tally.sessions += 1
        if result["simulated"] is not True:
            self._defect("a dry run that is not simulated", content)

    def _defect(self, told: str, content: bytes | None = None) -> None:
        shown = (content if content is not None else self._file.read_bytes())[:600]
        self.tally.defects.append(f"{told}\n  {shown!r}")


def _memory(line: str) -> float:
    """Return a line of this process's memory, such as its peak [MiB]."""
    found = re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _start_peak() -> float:
    """Let the peak of this process's memory be what it has now; return that [MiB]."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _memory("VmRSS")


def attack(folder: Path, count: int, *, start: int = 0, sessions: int = 0) -> Tally:
    """Give `count` configs to the program; return what became of them.

    Args:
        folder: Empty directory.
        count: Configs.
        start: Seed of what is generated.
        sessions: One in so many plans is run to its end; none for 0.
    """
    with Attack(folder, sessions).prepared() as attacker:
        attacker.warm_up()

        @seed(start)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=_UNHEALTHY,
        )
        @given(hostility.files())
        def strike(content: bytes) -> None:
            attacker.strike(content)

        strike()
    return attacker.tally


def main() -> int:
    """Print what became of the configs; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sessions", type=int, default=100, help="run one in so many plans")
    wanted = parser.parse_args()
    began, batch, tally = time.monotonic(), 1000, Tally()
    with tempfile.TemporaryDirectory() as folder:
        for number, first in enumerate(range(0, wanted.count, batch)):
            part = attack(
                Path(folder),
                min(batch, wanted.count - first),
                start=wanted.seed + number,
                sessions=wanted.sessions,
            )
            tally.outcomes += part.outcomes
            tally.defects += part.defects
            tally.settings += part.settings
            tally.sessions += part.sessions
            tally.slowest = max(tally.slowest, part.slowest)
            tally.largest = max(tally.largest, part.largest)
    print(f"configs                      {tally.configs:8}")
    for outcome, count in tally.outcomes.most_common():
        print(f"  {outcome:60} {count:8}")
    print(f"settings judged              {tally.settings:8}")
    print(f"simulated sessions           {tally.sessions:8}")
    print(f"slowest config [s of CPU]    {tally.slowest:8.2f}   (allowed {SECONDS:g})")
    print(f"most memory for one [MiB]    {tally.largest:8.1f}   (allowed {MEBIBYTES:g})")
    print(f"broken promises              {len(tally.defects):8}")
    for told in tally.defects[:20]:
        print(told)
    print(f"wall clock [s]               {time.monotonic() - began:8.0f}")
    return 1 if tally.defects else 0


if __name__ == "__main__":
    sys.exit(main())
