"""The tools: everything a conversation, or a program, may ask of this machine."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealtune import entry
from sealtune.errors import InputError, MachineBusyError, RestoreError
from sealtune.report.events import Notify
from sealtune.request import Request
from sealtune.toolbox import keeping, proposals, results
from sealtune.toolbox.plain import bounded
from sealtune.toolbox.reading import ReadingTools

if TYPE_CHECKING:
    from sealtune.planning import Approve, Plan
    from sealtune.store import SqliteStore

CHANGING = frozenset({"optimize_workload", "apply_permanently", "revert"})
"""Tools that change this machine: each call needs a person's yes, with `Toolbox.preview` shown."""

READING = (
    "inspect_system",
    "list_parameters",
    "describe_parameter",
    "list_benchmarks",
    "propose_config",
    "explain_result",
    "compare_sessions",
    "what_was_learnt",
    "status",
    "restore",
)
"""Tools that run freely: they read, or (`restore`) only undo what an interrupted run left."""


def _prepare(request: Request, approve: "Approve") -> "Plan":
    """Plan as the command line does; an unclear description is asked back, never guessed."""
    return entry.prepare(request, approve, ask=lambda readings: None)


class Toolbox(ReadingTools):
    """The tools of one conversation; each takes and returns plain JSON values.

    What a changing tool will do is what `preview` showed: the plan that was shown is the one that
    is run, and files or values that changed since then are refused. Not thread-safe.

    Args:
        open_store: Opens the history; used and closed by each call.
        plan: Makes a plan of a request; `sealtune.entry.prepare` when ``None``.
        notify: Told of every event of a running session, in its thread.
        dry_run: Simulate every session; nothing is applied or reverted.
        defaults: Wishes for every plan, such as tactician, seed, working directory.
        root: Directory that stands for ``/`` when applying; tests give another.
    """

    def __init__(
        self,
        *,
        open_store: "Callable[[], SqliteStore]" = entry.open_store,
        plan: proposals.MakePlan | None = None,
        notify: Notify | None = None,
        dry_run: bool = False,
        defaults: Request = Request(),  # noqa: B008 - frozen
        root: Path = keeping.ROOT,
    ) -> None:
        wishes = dataclasses.replace(defaults, dry_run=dry_run or defaults.dry_run)
        super().__init__(open_store, wishes, root)
        self.notify: Notify = notify or (lambda event: None)
        self._proposals = proposals.Proposals(plan or _prepare, wishes)
        self._shown: dict[tuple[str, str | None], str] = {}

    def propose_config(
        self,
        description: str,
        only: list[str] | None = None,
        exclude: list[str] | None = None,
        benchmark: str | None = None,
        minutes: float | None = None,
        trials: int | None = None,
    ) -> dict[str, Any]:
        """Make a tuning config for a workload described in plain English; changes nothing.

        Args:
            description: What the machine is for, in the person's own words.
            only: Tune these parameters and no others.
            exclude: Leave these parameters alone.
            benchmark: Name of a benchmark in place of the strategist's choice.
            minutes: Wall clock of the whole session [min]; 20 without it.
            trials: Most settings to try; beside minutes the smaller one wins.

        Returns the config (give it to optimize_workload as it is), how the description was
        understood, the parameters with present value, range, start and reason, and how long the
        session takes [s] at most. A description that is not understood is an error that asks back.
        """
        kept = self._proposals.propose(
            description=description,
            only=tuple(only or ()),
            exclude=tuple(exclude or ()),
            benchmark=benchmark,
            minutes=minutes,
            trials=trials,
        )
        return bounded(proposals.proposal(kept), whole=("config",))

    def optimize_workload(self, config_json: str | dict[str, Any]) -> dict[str, Any]:
        """Run a real tuning session by a config: search, confirm by fresh pairs, put all back.

        Needs the person's yes: kernel parameters change while it runs (minutes to hours), and
        every one of them is put back at the end. Nothing is kept: see apply_permanently.

        Args:
            config_json: The config that propose_config returned, as object or JSON text.

        Returns the verdict (improved, none, worse, unsafe, interrupted) in a sentence, the gain as
        a ratio with its 95 % interval, the best setting, and the session's id. "none" is a normal
        answer: no setting was shown to be better.
        """
        from sealtune.session import tune

        plan = self.taken(config_json)
        with self._open_store() as store:
            return bounded(results.short(tune(plan, store, self.notify).as_dict()))

    def taken(self, config_json: str | dict[str, Any]) -> "Plan":
        """Return the plan that a yes to ``optimize_workload`` is about: to be run now, once.

        Raises:
            InputError: This machine has changed since it was shown.
            MachineBusyError: Something else uses this machine, and that was not shown.
        """
        self._refuse_unrestored()
        kept = self._proposals.take(proposals.asked(config_json))
        busy = entry.check_ready(kept.plan)
        if busy and not kept.shown:
            raise MachineBusyError(" ".join(busy), fix="Wait until the machine is quiet.")
        return kept.plan

    def apply_permanently(self, session: str = "last") -> dict[str, Any]:
        """Keep the confirmed gain of a session for good: sysctl.d, tmpfiles.d and live values.

        Needs the person's yes, and root. Only a confirmed, real improvement can be kept; revert
        undoes it.

        Args:
            session: Its id or the beginning of it; "last" is the newest.
        """
        self._refuse_dry_run()
        self._as_shown("apply_permanently", session, self._apply_preview(session))
        return bounded(keeping.apply_session(self._row(session), self._root))

    def revert(self, name: str | None = None) -> dict[str, Any]:
        """Undo what apply_permanently did: its files away, the previous values back.

        Needs the person's yes, and root. Values that somebody else changed since are left alone.

        Args:
            name: What to undo, as status names it; may be left out when one thing is applied.
        """
        self._refuse_dry_run()
        self._as_shown("revert", name, keeping.revert_preview(name, self._root))
        return bounded(keeping.revert(name, self._root))

    def preview(
        self, tool: str, arguments: Mapping[str, Any], *, width: int = 80, record: bool = True
    ) -> str:
        """Return exactly what a yes to this call would do, as plain text for a terminal.

        For ``optimize_workload`` the whole plan, which is from then on the one that is run; for
        the others every file and value. Reads only.

        Args:
            tool: One of `CHANGING`.
            arguments: Of the call, by name.
            width: Columns of the terminal.
            record: Whether a yes is about to be asked for: it then holds for this text alone.

        Raises:
            SealtuneError: The call would be refused; nobody has to be asked.
        """
        if tool == "optimize_workload":
            self._refuse_unrestored()
            config = proposals.asked(arguments.get("config_json", ""))
            return proposals.shown_text(self._proposals.show(config, entry.check_ready), width)
        if tool not in CHANGING:
            raise InputError(f"{tool} changes nothing, so there is nothing to approve")
        self._refuse_dry_run()
        if tool == "apply_permanently":
            asked = arguments.get("session", "last")
            text = self._apply_preview(asked)
        else:
            asked = arguments.get("name")
            text = keeping.revert_preview(asked, self._root)
        keeping.check_allowed(self._root)
        if record:
            self._shown[tool, asked] = text
        return text

    def planned(self, config_json: str | dict[str, Any]) -> "Plan":
        """Return the plan that ``optimize_workload`` with this config would run."""
        return self._proposals.peek(proposals.asked(config_json)).plan

    def _as_shown(self, tool: str, asked: str | None, now: str) -> None:
        shown = self._shown.pop((tool, asked), now)
        if shown != now:
            raise InputError(
                f"what {tool} would do has changed since it was shown",
                fix="Ask for it again, and look at what it would do now.",
            )

    def _refuse_unrestored(self) -> None:
        """Refuse to plan from values that an interrupted run left: they are not the machine's."""
        if not self._defaults.dry_run and (changed := keeping.journal()["changed"]):
            raise RestoreError(
                f"a run is at work, or one was interrupted and left {', '.join(changed)} changed",
                fix="If none is running, restore first; then ask again.",
            )

    def _refuse_dry_run(self) -> None:
        if self._defaults.dry_run:
            raise InputError(
                "this is a dry run: everything is simulated, so there is nothing to keep or undo",
                fix="Start again without --dry-run.",
            )

    def _apply_preview(self, session: str) -> str:
        return keeping.apply_preview(self._row(session), self._root)
