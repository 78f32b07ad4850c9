"""The power comes back: the guard recovers from each state, in the same boot and in another."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.kernel.power_cut.disk import mounted
from tests.kernel.power_cut.life import Cut
from tests.kernel.power_cut.machine import BOOT_ID, BOOTS, PoweredMachine, stands_in

from sealtune.errors import SealtuneError
from sealtune.guard import recovery


@dataclass
class Tally:
    """What came of it."""

    cuts: int = 0
    recoveries: int = 0
    restored: int = 0
    crashes: int = 0
    unclear: int = 0
    wrong: list[str] = field(default_factory=list)


def check(folder: Path, cuts: Iterable[Cut]) -> Tally:
    """Recover from each cut as the same boot and as another one; return what came of it."""
    tally, place = Tally(), folder / "copy"
    place.mkdir()
    (folder / "recovering").mkdir()
    machine = PoweredMachine(folder / "recovering", place / "lib")
    for cut in cuts:
        for examine in _EXAMINE[not cut.same_boot :]:
            # A file of its own: a loop device that is let go late must not write into the next.
            image = folder / f"copy-{tally.recoveries}.img"
            image.write_bytes(cut.disk)
            with mounted(image, place), stands_in(machine):
                _recover(machine, cut, examine, tally)
            image.unlink()
        tally.cuts += 1
    return tally


def check_torn(folder: Path, cuts: Iterable[Cut]) -> Tally:
    """Do the same with cuts that hold the journal's bytes only."""
    tally, machine = Tally(), PoweredMachine(folder, folder / "lib", honest=False)
    journal = Path(machine.places.journal)
    journal.parent.mkdir()
    with stands_in(machine):
        for cut in cuts:
            for examine in _EXAMINE[not cut.same_boot :]:
                for old in journal.parent.iterdir():
                    old.unlink()
                journal.write_bytes(cut.disk)
                _recover(machine, cut, examine, tally)
            tally.cuts += 1
    return tally


def _recover(
    machine: PoweredMachine,
    cut: Cut,
    examine: Callable[[PoweredMachine, Cut, Tally], str],
    tally: Tally,
) -> None:
    machine.be(cut.files)
    machine.writes.clear()
    try:
        problem = examine(machine, cut, tally)
    except (SealtuneError, OSError) as error:
        problem = f"{type(error).__name__}: {error}"
    finally:
        machine.live_again()
    tally.recoveries += 1
    if problem:
        tally.wrong.append(f"{examine.__name__[1:]}, {cut.moment}: {problem}")


def _same_boot(machine: PoweredMachine, cut: Cut, tally: Tally) -> str:
    """Return what is wrong after recovering with the values of that moment, ``""`` if nothing."""
    before = machine.values()
    report = recovery.restore(places=machine.places)
    now = machine.values()
    tally.restored += bool(report.restored)
    if report.failed or report.foreign:
        return f"left as they are: {report.failed} {report.foreign}"
    if now not in cut.allowed:
        lost = {p: (now.get(p), old) for p, old in cut.allowed[0].items() if now.get(p) != old}
        return f"not the originals: {lost}"
    if machine.writes and before == cut.allowed[0]:
        return f"written without need: {machine.writes}"
    return "" if not recovery.pending(machine.places) else "the journal is not empty"


def _another_boot(machine: PoweredMachine, cut: Cut, tally: Tally) -> str:
    """Return what is wrong after recovering in the next boot, ``""`` if nothing."""
    boot = machine.value(BOOT_ID)
    machine.put(BOOT_ID, BOOTS[2])
    report = recovery.restore(places=machine.places)
    told = recovery.crashes(machine.places)
    tally.crashes += report.crash is not None
    if machine.writes:
        return f"written in another boot: {machine.writes}"
    mine = [crash for crash in told if crash.boot_id == boot]
    if cut.changed and not mine:
        return "a setting was in force, and is not told as a crash"
    if mine and mine[0].setting not in cut.settings:
        return f"told as a crash: {mine[0].setting}, in force was one of {cut.settings}"
    if cut.before and boot == BOOTS[1] and BOOTS[0] not in [crash.boot_id for crash in told]:
        return "the crash of the boot before is forgotten"
    return "" if not recovery.pending(machine.places) else "the journal is not empty"


_EXAMINE = (_same_boot, _another_boot)
