import os

import pytest

from sealtune.machine import busy_reasons
from sealtune.machine.facts import Facts

HERTZ = os.sysconf("SC_CLK_TCK")


class Machine:
    """A machine with two processors on which a second passes when told to."""

    def __init__(self, tree, clock):
        self.tree = tree
        self.clock = clock
        self.second = 0
        self.processes = {}
        self.cpu = (0, 0, 0, 200, 0, 0, 0, 0)
        self.stalled_io = 0

    def write(self):
        second = self.second
        fields = " ".join(str(second * ticks) for ticks in self.cpu)
        self.tree.write("/proc/stat", f"cpu {fields} 0 0\n")
        self.tree.write("/proc/pressure/io", f"some avg10=0 total={second * self.stalled_io}\n")
        for pid, (name, parent, share) in self.processes.items():
            ticks = int(second * share * HERTZ)
            line = f"{pid} ({name}) R {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0\n"
            self.tree.write(f"/proc/{pid}/stat", line)

    def pass_time(self, seconds):
        self.second += 1
        self.clock[0] += 1.0
        self.write()

    def reasons(self):
        self.write()
        return busy_reasons(Facts("6.1", cpus=2), root=self.tree.root, pause=self.pass_time)


@pytest.fixture
def machine(tree, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("sealtune.machine.metrics.time.monotonic", lambda: clock[0])
    return Machine(tree, clock)


def test_a_quiet_machine_gives_no_reason(machine):
    """
    Idle processors, no pressure and no package manager are no reason.
    """
    machine.processes = {2: ("bash", 1, 0.0)}

    assert () == machine.reasons()


def test_who_uses_the_processors_is_named(machine):
    """
    A busy machine is reported with its load and its largest user first, odd names included.
    """
    machine.cpu = (160, 0, 0, 40, 0, 0, 0, 0)
    machine.processes = {2: ("cc1 (x", 1, 1.0), 3: ("make) y", 1, 0.6), 4: ("bash", 1, 0.0)}

    assert ("Others use 80 % of the processors: cc1 (x (50 %), make) y (30 %).",) == (
        machine.reasons()
    )


def test_our_own_work_does_not_count(machine):
    """
    This process, its children and those above it are no reason to call the machine busy.
    """
    own = os.getpid()
    machine.cpu = (160, 0, 0, 40, 0, 0, 0, 0)
    machine.processes = {
        5: ("sudo", 1, 0.4),
        own: ("sealtune", 5, 0.6),
        own + 1: ("benchmark", own, 0.5),
    }

    assert () == machine.reasons()


def test_steal_pressure_and_package_managers_are_reasons(machine):
    """
    A greedy hypervisor, waiting for I/O and a running apt are named one by one.
    """
    machine.cpu = (0, 0, 0, 180, 0, 0, 0, 20)
    machine.stalled_io = 400_000
    machine.processes = {2: ("apt-get", 1, 0.0)}

    assert (
        "The hypervisor keeps 10 % of the processors.",
        "Tasks wait for I/O 40 % of the time.",
        "A package manager is at work: apt-get.",
    ) == machine.reasons()
