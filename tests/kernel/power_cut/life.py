"""A guard's life: what it is told, and what a power cut at each moment may leave behind."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from tests.kernel.power_cut.machine import BOOTS, PoweredMachine

from sealtune.errors import SealtuneError
from sealtune.guard import recovery

Values = Mapping[str, str]

BATCHES: list[dict[str, int | str]] = [
    {"vm.swappiness": 10, "vm.dirty_bytes": 2**26, "vm.overcommit_kbytes": 2**21},
    {
        "vm.dirty_ratio": 30,
        "block/vda/scheduler": "kyber",
        "block/vda/nr_requests": 128,
        "block/vda/iosched/read_lat_nsec": 10**6,
    },
    {"vm.swappiness": 20, "block/vda/scheduler": "bfq"},  # refused: the batch is rolled back
    {"vm.swappiness": 30, "block/vda/iosched/read_expire": 200},
]


@dataclass(frozen=True)
class Cut:
    """The disk and the machine at one moment.

    Attributes:
        disk: What is on the platter.
        files: Every file of the machine, parameters and the rest.
        allowed: The sets of values that recovery in the same boot may end with.
        settings: The settings that may be told as the crash of this boot.
        changed: Whether a value is none that may stay, because of the guard.
        before: Whether the run before, of another boot, had left a setting in force.
        moment: What was just done, for a person.
        same_boot: Whether the same boot can find this; another one always can.
    """

    disk: bytes
    files: Mapping[str, str]
    allowed: tuple[Values, ...]
    settings: tuple[Values, ...]
    changed: bool
    before: bool
    moment: str
    same_boot: bool = True


class Life(ABC):
    """A guard's life on a machine, and every state that a power cut in it could leave.

    Attributes:
        cuts: What was kept, each combination of disk and machine once.
        before: Whether a boot before this one went down with a setting in force.
    """

    def __init__(self, machine: PoweredMachine) -> None:
        self.machine = machine
        self.cuts: list[Cut] = []
        self.before = False
        self._seen: set[tuple[bytes, str]] = set()
        self.originals = machine.values()
        self.allowed: tuple[Values, ...] = (self.originals,)
        self.settings: tuple[Values, ...] = ()
        machine.after = self.step

    @abstractmethod
    def step(self, moment: str) -> None:
        """Keep what is on the disk, and what was in between since the last step."""

    def keep(
        self, disk: bytes, files: Mapping[str, str], moment: str, *, same_boot: bool = True
    ) -> None:
        """Keep one state, unless it is known."""
        key = (disk, repr((files, self.allowed, self.settings, self.before, same_boot)))
        if key in self._seen:
            return
        self._seen.add(key)
        changed = self.machine.values() not in self.allowed
        self.cuts.append(
            Cut(disk, files, self.allowed, self.settings, changed, self.before, moment, same_boot)
        )

    def go_down(self) -> None:
        """Lose the power for a first time, with a setting in force, and boot again."""
        keeper = self.machine.keeper()
        self.apply(keeper, BATCHES[0])
        self.apply(keeper, BATCHES[1])
        self.machine.live_again()
        self.machine.boot(BOOTS[1])
        self.before, self.settings = True, ()

    def live(self) -> None:
        """Take batches, a refusal, a restore, a commit, and a death that is recovered from."""
        keeper = self.machine.keeper()
        for setting in BATCHES[:3]:
            self.apply(keeper, setting)
        keeper.restore()
        self.settings = ()
        self.apply(keeper, BATCHES[3])
        self.apply(keeper, BATCHES[0])
        self.commit(keeper)
        self.apply(keeper, BATCHES[3])
        self.machine.live_again()  # the guard is killed, and the next one finds its journal
        recovery.restore(places=self.machine.places)
        self.settings = ()
        self.step("at the end")

    def apply(self, keeper, setting) -> None:
        """Let the guard apply `setting`; a refused one leaves the setting before."""
        wanted = {name: str(value) for name, value in setting.items()}
        self.settings = (*self.settings[-1:], wanted)
        with contextlib.suppress(SealtuneError):
            keeper.apply(setting)
        if self.machine.values() == self.originals:
            raise RuntimeError(f"the guard did not apply {setting}")

    def commit(self, keeper) -> None:
        """Let the guard accept the present values; until that is durable, both may come back."""
        kept = self.machine.values()
        self.allowed = (self.originals, kept)
        keeper.commit()
        self.originals, self.allowed, self.settings = kept, (kept,), ()
