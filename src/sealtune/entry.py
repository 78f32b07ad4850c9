"""The doors into a session: whether it may start, resuming one, and the two public functions."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealtune.errors import KeepingError, MachineBusyError, SessionNotFoundError
from sealtune.guard import recovery
from sealtune.guard.access import check_access
from sealtune.machine import busy_reasons, find_services
from sealtune.planning import (
    Approve,
    Plan,
    default_workdir,
    make_plan,
    nobody_to_ask,
    task_of,
)
from sealtune.report.events import Notify
from sealtune.request import Request
from sealtune.session import tune
from sealtune.space.config import load_config
from sealtune.store import SqliteStore, Store, default_store_path
from sealtune.store.experience import Experience
from sealtune.strategist.embedded import Ask
from sealtune.strategist.task import Task
from sealtune.strategist.team import team


def open_store() -> SqliteStore:
    """Open the history of this user; sessions whose process died are marked as interrupted."""
    store = SqliteStore(default_store_path())
    store.mark_interrupted()
    return store


def prepare(
    request: Request,
    approve: Approve = nobody_to_ask,
    *,
    ask: Ask | None = None,
    recording: Path | None = None,
    replay: Path | None = None,
) -> Plan:
    """Make a plan by the strategists that `request` names, from what earlier sessions found.

    Args:
        request: What was asked for.
        approve: See `make_plan`.
        ask: Asks the person which of several readings is meant; ``None`` when nobody can be asked.
        recording: New file for what a model is asked and answers.
        replay: Recording that answers in place of a model.

    Raises:
        SealtuneError: See `make_plan`; a model that the person named cannot be used.
    """
    if request.config is not None:
        return make_plan(request, approve)
    strategist = team(
        request.models,
        request.strategies,
        services=find_services(private=(request.workdir or default_workdir(),)),
        ask=ask,
        recording=recording,
        replay=replay,
    )
    experiences, notices = _memory(request)
    plan = make_plan(request, approve, strategist=strategist, experiences=experiences)
    return replace(plan, notices=(*plan.notices, *notices))


def prompt_for(request: Request) -> str:
    """Return exactly what a model would be sent for `request`."""
    from sealtune.strategist.model.wording import show_prompt

    return show_prompt(task_for(request))


def task_for(request: Request) -> Task:
    """Return what a strategist would be asked for `request`, the memory included."""
    return task_of(request, _memory(request)[0])


def _memory(request: Request) -> tuple[tuple[Experience, ...], tuple[str, ...]]:
    """Return what earlier sessions were worth, and why nothing is known of them."""
    path = default_store_path()
    if not request.use_memory or not os.path.exists(path):  # `Path.exists` may raise
        return (), ()
    try:
        with SqliteStore(path) as store:
            return tuple(store.experiences(simulated=request.dry_run)), ()
    except (KeepingError, OSError) as error:  # looking must stay possible
        return (), (f"What earlier sessions found is not used: {error}",)


def check_ready(plan: Plan) -> tuple[str, ...]:
    """Return why a measurement now would be of something else; empty on a quiet machine.

    Raises:
        NotRootError: Neither the guard's service nor ``sudo -n`` is there for this user.
        BusyError: Another session is at work.
    """
    if plan.simulated:
        return ()
    if check_access() == "root":
        recovery.check_free()
    return busy_reasons(plan.facts)


def resumable_request(session: str | None = None) -> tuple[Request, str]:
    """Return what an interrupted session was asked for, and its id.

    Raises:
        SessionNotFoundError: No such session.
        KeepingError: It is not interrupted.
    """
    with open_store() as store:
        if session is None:
            rows = store.resumable()
            if not rows:
                raise SessionNotFoundError("no interrupted session to go on with")
            row = rows[0]
        else:
            row = store.session(session)
    request = Request.from_dict(row.arguments)
    return replace(request, config=load_config(dict(row.config)), seed=row.seed), row.id


def optimize_workload(
    config_json: str | Mapping[str, Any],
    *,
    request: Request | None = None,
    store: Store | None = None,
    notify: Notify = lambda event: None,
    although_busy: bool = False,
) -> dict[str, Any]:
    """Tune this machine by a config and return the result; nothing is kept (see `apply`).

    Args:
        config_json: A TuningConfig as JSON text or as a mapping.
        request: Further wishes (minutes, tactician, seed, dry run); its config is replaced.
        store: Where to keep the session; this user's history when ``None``.
        notify: Told of every event.
        although_busy: Measure even though something else uses this machine.

    Returns:
        `Result.as_dict()`: ``success``, ``verdict``, ``gain``, ``best_config`` and so on.

    Raises:
        SealtuneError: Bad config, no root, benchmark missing, ...; parameters are back.
    """
    asked = replace(request or Request(), config=load_config(config_json))
    if not asked.dry_run and os.geteuid() == 0:
        recovery.restore()  # the plan must be made from this machine's own values
    plan = make_plan(asked)
    busy = check_ready(plan)
    if busy and not although_busy:
        raise MachineBusyError(" ".join(busy), fix="Wait, or pass although_busy=True.")
    with contextlib.nullcontext(store) if store else open_store() as kept:
        return tune(plan, kept, notify).as_dict()


def run_rl_optimization(config_path: str | Path, **wishes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Tune this machine by a config file; see `optimize_workload` for `wishes` and the result."""
    return optimize_workload(load_config(Path(config_path)).to_json(), **wishes)
