"""The commands that only look: ``doctor``, ``knobs``, ``benchmarks``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sealtune.catalogue import Knob
    from sealtune.machine import Facts


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(doctor)
    app.command()(knobs)
    app.command()(benchmarks)


def doctor(
    privileges: Annotated[
        bool,
        typer.Option("--privileges", help="Print how ordinary users may tune, to be pasted."),
    ] = False,
) -> int:
    """Check this machine: kernel, root, pressure, disk, swap, benchmarks, and what to install."""
    if privileges:
        from sealtune.cli.privileges import show

        return show()
    from sealtune.benchmarks import detect_all
    from sealtune.benchmarks.confinement import describe
    from sealtune.machine import busy_reasons, find_services, gather_facts
    from sealtune.planning import default_workdir

    facts = gather_facts(default_workdir())
    for name, text in _facts_lines(facts):
        print(f"{name:<14} {text}")
    offered, left_out = _counts(facts)
    print(f"{'parameters':<14} {offered} can be tuned here, {left_out} cannot (sealtune knobs)")
    print(f"{'journal':<14} {_journal()}")
    print(f"{'strategist':<14} {_strategist()}")
    print(f"{'confinement':<14} {describe()}")
    for service in find_services():
        if service.state != "installed":
            print(f"{'serves':<14} {service.evidence}")
    reasons = busy_reasons(facts)
    print(f"{'quiet':<14} {'yes' if not reasons else 'no: ' + ' '.join(reasons)}")
    print()
    for name, found in detect_all().items():
        if found.installed:
            print(f"{name:<14} {found.version or 'ready'}")
        else:
            print(f"{name:<14} not installed:  {found.apt}   or   {found.dnf}")
    return 0


def _facts_lines(facts: "Facts") -> list[tuple[str, str]]:
    import shutil

    from sealtune.cli.privileges import state
    from sealtune.planning import default_workdir
    from sealtune.report.format import memory

    place = next(p for p in (default_workdir(), *default_workdir().parents) if p.exists())
    free = memory(shutil.disk_usage(place).free)
    disk = "none found: block parameters cannot be tuned"
    if facts.disk is not None:
        kind = f"{facts.filesystem}, scheduler {facts.disk.scheduler}"
        disk = f"{facts.disk.name} ({kind}), {free} free"
    return [
        ("kernel", f"Linux {facts.kernel}, {facts.distribution}"),
        ("processors", f"{facts.cpus}  {facts.cpu_model}"),
        ("memory", memory(facts.memory_bytes)),
        ("swap", memory(facts.swap_bytes) if facts.swap_bytes else "none"),
        ("virtual", facts.virtualisation or "no"),
        ("disk", disk),
        ("root", state()),
        ("pressure", "readable (PSI)" if facts.psi else "PSI missing: boot with psi=1"),
        ("python", facts.python),
    ]


def _counts(facts: "Facts") -> tuple[int, int]:
    from sealtune.catalogue import load_catalogue
    from sealtune.space.available import available_knobs

    found = available_knobs(load_catalogue().knobs, facts)
    return len(found.offered), len(found.left_out)


def _strategist() -> str:
    """Return which model plans, why this one, and what is wrong with it."""
    from sealtune.strategist.model.choice import choose_model

    choice = choose_model()
    where = "" if choice.is_embedded else ", stays on this machine"
    if not choice.stays_here:
        where = ", what it is sent: sealtune plan ... --show-prompt, and /prompt in a chat"
    problem = f"; NOT USABLE: {choice.problem}" if choice.problem else ""
    return f"{choice.name} ({choice.source}){where}{problem}"


def _journal() -> str:
    from sealtune.errors import GuardError
    from sealtune.guard import recovery

    try:
        pending = recovery.pending()
    except GuardError as error:
        return str(error)
    return f"holds {', '.join(pending)}: run `sealtune restore`" if pending else "empty"


def knobs(
    name: Annotated[str | None, typer.Argument(help="One parameter, in any spelling.")] = None,
) -> int:
    """List the kernel parameters that may be tuned, or explain one."""
    from sealtune.catalogue import load_catalogue
    from sealtune.machine import gather_facts
    from sealtune.planning import default_workdir
    from sealtune.space.available import available_knobs

    facts = gather_facts(default_workdir())
    catalogue = load_catalogue()
    if name is not None:
        device = facts.disk.name if facts.disk else None
        _explain(catalogue.resolve(name, device=device), facts)
        return 0
    found = available_knobs(catalogue.knobs, facts)
    for item in found.offered:
        tried = ", ".join(item.choices) if item.choices else f"{item.low}..{item.high}"
        unit = f" {item.knob.unit}" if item.knob.unit else ""
        print(f"{item.knob.name:<38} {item.found:<10} {tried}{unit}")
    if found.left_out:
        print("\nnot here:")
    for absent in found.left_out:
        print(f"{absent.name:<38} {absent.reason}")
    return 0


def _explain(knob: "Knob", facts: "Facts") -> None:
    from sealtune.space.available import available_knobs

    found = available_knobs([knob], facts)
    tried = ", ".join(knob.choices) if knob.choices else f"{knob.low}..{knob.high}"
    lines = [("parameter", knob.name), ("file", knob.path)]
    for item in found.offered:
        tried = ", ".join(item.choices) if item.choices else f"{item.low}..{item.high}"
        lines.append(("now", item.found))
    lines += [("not here", absent.reason) for absent in found.left_out]
    lines += [
        ("range", f"{tried} {knob.unit}".strip()),
        ("default", knob.default),
        ("exists only", str(knob.under or "")),
        ("takes effect", knob.effective.replace("_", " ")),
        ("why", knob.why),
        ("costs", knob.trade_off),
        ("kept in", str(Path("/etc") / knob.persist)),
        ("source", knob.source),
    ]
    for label, text in lines:
        if text:
            print(f"{label:<14} {text}")


def benchmarks() -> int:
    """List the benchmarks, whether they are installed, and how to get them."""
    from sealtune.benchmarks import adapter_names, create_adapter, detect_all
    from sealtune.benchmarks.base import BenchmarkSpec

    found = detect_all()
    for name in adapter_names():
        if name not in found:
            continue
        adapter = create_adapter(BenchmarkSpec(name, {}, ""))
        here = found[name]
        state = here.version or "ready" if here.installed else f"install: {here.apt}"
        print(f"{name:<10} {adapter.title:<60} {state}")
    return 0
