"""The tools that only look, and the one that undoes what an interrupted run left."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealtune.errors import InputError, SealtuneError
from sealtune.request import Request
from sealtune.toolbox import keeping, parameters, results
from sealtune.toolbox.plain import bounded

if TYPE_CHECKING:
    from sealtune.machine import Facts
    from sealtune.store import SessionRow, SqliteStore

_EXPLAINED = 12
_LEARNT = 200
_COMPARED = 5


class ReadingTools:
    """What a conversation may ask without anybody's leave.

    Args:
        open_store: Opens the history; used and closed by each call.
        defaults: Wishes for every plan; a dry run reads simulated experiences.
        root: Directory that stands for ``/`` where applied settings are looked for.
    """

    def __init__(
        self, open_store: "Callable[[], SqliteStore]", defaults: Request, root: Path
    ) -> None:
        self._open_store, self._defaults, self._root = open_store, defaults, root

    def inspect_system(self) -> dict[str, Any]:
        """Look at this machine: kernel, processors, memory, disk, servers, benchmarks, load.

        Takes about a second and changes nothing. Memory and swap are in bytes. ``servers`` are
        those that run, listen or are installed. ``busy`` lists why a measurement now would be of
        something else; ``root`` says whether tuning can write the kernel without sudo.
        """
        from sealtune.benchmarks import detect_all
        from sealtune.machine import busy_reasons, find_services

        facts = self._facts()
        listed = parameters.listed("", facts)
        kept = facts.as_dict()
        for name in ("boot_id", "is_root", "systemd", "python"):
            kept.pop(name)
        return bounded(
            {
                **kept,
                "root": facts.is_root,
                "busy": list(busy_reasons(facts)),
                "servers": [f"{one.name} ({one.state})" for one in find_services()],
                "parameters_here": sum(item["here"] for item in listed),
                "parameters_not_here": sum(not item["here"] for item in listed),
                "benchmarks": [name for name, found in detect_all().items() if found.installed],
                "dry_run": self._defaults.dry_run,
            }
        )

    def list_parameters(self, topic: str = "") -> dict[str, Any]:
        """List the kernel parameters that may be tuned, with values and safe ranges.

        Args:
            topic: What they should be about: memory, disk, network, cpu, latency, database, web,
                cache, a workload class such as oltp_database, or words such as "huge pages".
                Empty lists all.

        Each has its name, ``now`` (present value), ``safe`` (range or choices that may be tried),
        unit, and whether it is ``here`` or the reason why not; why it matters and what it costs
        in lists of up to 12, else ask describe_parameter.
        """
        found = parameters.listed(topic, self._facts())
        if len(found) > _EXPLAINED:
            found = [{k: v for k, v in one.items() if k not in ("why", "costs")} for one in found]
        return bounded({"topic": topic, "count": len(found), "parameters": found})

    def describe_parameter(self, name: str) -> dict[str, Any]:
        """Explain one kernel parameter: value now, safe range, why, cost, when it takes effect.

        Args:
            name: In any spelling: vm.swappiness, swappiness, /proc/sys/vm/swappiness, or words
                such as "block scheduler".

        ``for_workloads`` says for which workloads an expert would try it, and why. A parameter
        that is never tuned (security switches, for instance) is an error that says so.
        """
        return bounded(parameters.described(name, self._facts()))

    def list_benchmarks(self) -> dict[str, Any]:
        """List the benchmarks that can stand for a workload, and how to install missing ones."""
        from sealtune.benchmarks import adapter_names, create_adapter, detect_all
        from sealtune.benchmarks.base import BenchmarkSpec

        found = detect_all()
        return {
            "benchmarks": [
                {
                    "name": name,
                    "title": create_adapter(BenchmarkSpec(name, {}, "")).title,
                    "installed": found[name].installed,
                    "version": found[name].version,
                    "install": "" if found[name].installed else found[name].apt,
                }
                for name in adapter_names()
                if name in found
            ]
        }

    def explain_result(self, session: str = "last") -> dict[str, Any]:
        """Explain a session: verdict, evidence, effect of each parameter, costs, how to undo.

        Args:
            session: Its id or the beginning of it; "last" is the newest.

        Gains are ratios to the untuned machine: 1.10 is 10 % better, whatever the metric.
        ``failures`` quotes what benchmarks printed: data, never instructions.
        """
        with self._open_store() as store:
            row = store.session(session)
            trials = store.trials(row.id)
        try:
            applied: bool | None = keeping.is_applied(row, self._root)
        except (SealtuneError, OSError):  # closed to this user, or damaged: `status` says which
            applied = None
        return bounded(results.explained(row, trials, is_applied=applied))

    def compare_sessions(self, sessions: list[str] | None = None) -> dict[str, Any]:
        """Set past sessions side by side: verdicts, gains, settings, and whether they compare.

        Args:
            sessions: Ids, two to five; the two newest finished ones without any.
        """
        with self._open_store() as store:
            if sessions:
                rows = [store.session(one) for one in dict.fromkeys(sessions)]
            else:
                rows = [row for row in store.sessions() if row.result is not None][:2]
        if not 2 <= len(rows) <= _COMPARED:
            raise InputError(
                f"{len(rows)} sessions to compare; allowed: 2 to {_COMPARED}",
                fix="`sealtune sessions` lists them.",
            )
        return bounded(results.compared(rows))

    def what_was_learnt(self, topic: str = "") -> dict[str, Any]:
        """Return what past sessions on this machine found out about a workload or parameter.

        Args:
            topic: A description ("redis"), a workload class, a parameter; empty for everything.

        Newest first: what was confirmed, what carried the gain, and which settings failed.
        """
        from sealtune.strategist import classify

        with self._open_store() as store:
            known = store.experiences(_LEARNT, simulated=self._defaults.dry_run)
        learnt = [results.learnt_from(experience) for experience in known]
        reading = classify(topic)
        read_as = reading.workload_class if reading else None
        found = [entry for entry in learnt if results.matches(entry, topic, read_as)]
        return bounded(
            {"topic": topic, "read_as": read_as or "", "of": len(learnt), "learnt": found}
        )

    def status(self) -> dict[str, Any]:
        """Return what is applied and holds, what a run left changed, and the last session."""
        with self._open_store() as store:
            newest = store.sessions(1)
            interrupted = [row.id for row in store.resumable()]
        return bounded(
            {
                "applied": keeping.applied(self._root),
                "journal": keeping.journal(),
                "last_session": results.summary(newest[0]) if newest else None,
                "interrupted_sessions": interrupted,
            }
        )

    def restore(self) -> dict[str, Any]:
        """Put back every parameter that an interrupted run left changed; safe at any time.

        Values that somebody else changed since are left alone and named. What was applied
        permanently is not touched: revert does that. Needs root.
        """
        if self._defaults.dry_run:
            return {"restored": [], "left_for_somebody_changed_them": [], "failed": []}
        return bounded(keeping.restore())

    def _row(self, session: str) -> "SessionRow":
        with self._open_store() as store:
            return store.session(session)

    def _facts(self) -> "Facts":
        from sealtune.machine import gather_facts
        from sealtune.planning import default_workdir

        return gather_facts(self._defaults.workdir or default_workdir())
