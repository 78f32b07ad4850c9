"""Guard rails of the guard, on a /proc made of files and a clock that the test moves."""

import os

import pytest

from sealtune.errors import GuardError
from sealtune.guard import watch as watch_module
from sealtune.guard.watch import LOOKS, LOOSEST, Watch


class Proc:
    """A /proc, the clock, and what happens in one second of it."""

    def __init__(self, folder):
        self.folder, self.now = folder, 100.0
        self.places = str(folder), str(folder / "kmsg")
        self.counts = dict.fromkeys(("memory", "io", "pswpin", "pswpout", "oom_kill", "hung"), 0.0)
        self.available = 4000
        self.write()

    def monotonic(self):
        return self.now

    def write(self):
        counts = self.counts
        pressure = (
            "some avg10=9.00 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={:.0f}\n"
        )
        vmstat = "pgfault 1\n" + "".join(
            f"{name} {counts[name]:.0f}\n" for name in ("pswpin", "pswpout", "oom_kill")
        )
        for name, text in {
            "pressure/memory": pressure.format(counts["memory"] * 1e6),
            "pressure/io": pressure.format(counts["io"] * 1e6),
            "meminfo": f"MemTotal: 8192000 kB\nMemAvailable: {self.available * 1024} kB\n",
            "vmstat": vmstat,
            "sys/kernel/hung_task_detect_count": f"{counts['hung']:.0f}\n",
        }.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def logs(self, *texts, priority=3):
        """Add records to the kernel's log."""
        with (self.folder / "kmsg").open("a") as log:
            log.writelines(f"{priority},12,{self.now},-;{text}\n" for text in texts)

    def passes(self, seconds=1.0, **more):
        """Let time pass, in which each counter grows by so much."""
        self.now += seconds
        for name, growth in more.items():
            self.counts[name] += growth
        self.write()


@pytest.fixture
def proc(tmp_path, monkeypatch):
    proc = Proc(tmp_path)
    monkeypatch.setattr(watch_module, "time", proc)
    return proc


@pytest.fixture
def watch(proc):
    return Watch(*proc.places)


def looks(proc, watch, count, seconds=1.0, **more):
    """What the watch says in so many looks, a second apart, with the same growth before each."""
    said = []
    for _ in range(count):
        proc.passes(seconds, **more)
        said.append(watch.breach())
    return said


def test_a_machine_that_is_well_breaches_nothing(proc, watch):
    """
    Some of everything, within the limits, goes on and on.
    """
    assert looks(proc, watch, 10, memory=0.1, io=0.5, pswpin=100, pswpout=100) == [None] * 10


@pytest.mark.parametrize(
    ("growth", "count", "says"),
    [
        ({"memory": 0.6}, 3, "all work stood still for memory 60% of the time (limit 50%)"),
        ({"pswpout": 300000}, 3, "1172 MiB/s were swapped in and out (limit 1024)"),
        ({"oom_kill": 2}, 1, "the kernel killed 2 processes for want of memory"),
        ({"hung": 1}, 1, "the kernel reported hung tasks: 1"),
    ],
)
def test_each_rail_trips_when_it_has_lasted(proc, watch, growth, count, says):
    """
    Not before it has been beyond its limit for so many looks in a row, and then with the facts.
    """
    said = looks(proc, watch, count, **growth)
    assert said == [None] * (count - 1) + [says]


def test_little_memory_trips_at_once(proc, watch):
    """
    Under two per cent of the memory, one look is enough, even half a second after the last.
    """
    proc.available = 100
    assert looks(proc, watch, 1, seconds=0.5) == ["only 100 MiB of memory available (limit 160)"]


def held(proc, watch, count, **more):
    """The same as `looks` while a setting is in force."""
    said = []
    for _ in range(count):
        proc.passes(**more)
        said.append(watch.breach(held=True))
    return said


def test_disks_of_a_session_that_tells_nothing_are_judged_by_what_was_before(proc, watch):
    """
    Work that waits for disks all the time is ordinary where it did so before the first write, and
    a breach after five looks where it did not.
    """
    assert looks(proc, watch, 6, io=0.97) == [None] * 6
    watch.start()
    assert held(proc, watch, 10, io=1.0) == [None] * 10
    watch = Watch(*proc.places)
    assert looks(proc, watch, 6, io=0.5) == [None] * 6
    watch.start()
    said = held(proc, watch, 5, io=1.0)
    assert said[:4] == [None] * 4
    assert said[4] == "all work stood still for disks 100% of the time (limit 90%)"


def test_disks_are_judged_by_a_baseline(proc, watch):
    """
    A limit that a session sends counts at once.
    """
    watch.allow({"io_full": 0.8})
    said = looks(proc, watch, 5, io=1.0)
    assert said[:4] == [None] * 4
    assert said[4] == "all work stood still for disks 100% of the time (limit 80%)"


def test_one_good_second_in_between_starts_the_count_again(proc, watch):
    """
    Stalls that come and go are no standstill.
    """
    for _ in range(5):
        assert looks(proc, watch, 2, memory=1.0) == [None, None]
        assert looks(proc, watch, 1, memory=0.0) == [None]


def test_looks_in_quick_succession_count_as_one(proc, watch):
    """
    The session may ask at any time: a share of a tenth of a second says nothing.
    """
    assert looks(proc, watch, 8, seconds=0.1, memory=0.1) == [None] * 8


def test_an_oom_kill_between_two_quick_looks_is_told_once(proc, watch):
    """
    It is a breach at once, and not again a second later.
    """
    assert "killed 1" in looks(proc, watch, 1, seconds=0.1, oom_kill=1)[0]
    assert looks(proc, watch, 2, seconds=0.1) == [None, None]
    assert looks(proc, watch, 1) == [None]


KILLED = "{} 4711 ({}) total-vm:9kB, anon-rss:9kB, UID:0 pgtables:384kB oom_score_adj:{}"
IN_GROUP, ANYWHERE = "Memory cgroup out of memory: Killed process", "Out of memory: Killed process"


@pytest.mark.parametrize(
    ("texts", "breach"),
    [
        ([KILLED.format(IN_GROUP, "mysqld", 0)], False),
        ([KILLED.format(IN_GROUP, "mysqld", -500)], False),
        ([KILLED.format(IN_GROUP, "fio", 1000)], True),
        ([KILLED.format(ANYWHERE, "mysqld", 0)], True),
        ([KILLED.format(IN_GROUP, "mysqld", 0) + " more:1", "another"], False),
        ([KILLED.format(IN_GROUP, "fio", 1000) + " more:1"], True),
        (["Memory cgroup out of memory: Killed process 4711 (mysqld)"], True),
        (["Memory cgroup out of memory: Killed process 4711 (mysqld) oom_score_adj:"], True),
        ([KILLED.format("oom-kill: a group:", "mysqld", 0)], True),
        ([], True),
    ],
)
def test_a_kill_for_the_limit_of_somebody_elses_group_is_no_breach(proc, texts, breach):
    """
    A full container of others is excused if the log says so; a benchmark, the whole machine, and
    what the log does not tell or tells otherwise are not.
    """
    proc.logs("booted")
    watch = Watch(*proc.places)
    proc.logs(*texts)
    assert bool(looks(proc, watch, 1, oom_kill=1)[0]) == breach


def test_only_as_many_kills_are_excused_as_the_log_tells_of(proc):
    """
    Of two kills with one record in the log, one is a breach; and what was logged before a setting,
    or for an earlier kill, excuses nothing.
    """
    others = KILLED.format(IN_GROUP, "mysqld", 0)
    proc.logs(others)
    watch = Watch(*proc.places)
    assert looks(proc, watch, 1, oom_kill=1)[0]
    proc.logs(others, others)
    watch.start()
    assert looks(proc, watch, 1, oom_kill=1)[0]
    proc.logs(others)
    assert looks(proc, watch, 1, oom_kill=2) == [
        "the kernel killed 1 processes for want of memory"
    ]
    proc.logs(others, others)
    assert looks(proc, watch, 1, oom_kill=2) == [None]


@pytest.mark.parametrize("priority", [8, 9, 11])
def test_what_a_program_writes_into_the_log_excuses_nothing(proc, priority):
    """
    Records of user space carry another priority than the kernel's own: 8 for an emergency.
    """
    proc.logs("booted")
    watch = Watch(*proc.places)
    proc.logs(KILLED.format(IN_GROUP, "mysqld", 0), priority=priority)
    assert looks(proc, watch, 1, oom_kill=1)[0]


def test_a_kill_told_of_just_before_it_is_counted_is_excused_in_the_next_look(proc):
    """
    The log is read after the counters: what it tells of too many holds for one look, and not after
    another `start`.
    """
    others = KILLED.format(IN_GROUP, "mysqld", 0)
    proc.logs("booted")
    watch = Watch(*proc.places)
    proc.logs(others, others)
    assert looks(proc, watch, 1, oom_kill=1) == [None]
    assert looks(proc, watch, 1, oom_kill=1) == [None]
    assert looks(proc, watch, 1, oom_kill=1)[0]
    for forget in (lambda: looks(proc, watch, 1), watch.start):
        proc.logs(others, others)
        assert looks(proc, watch, 1, oom_kill=1) == [None]
        forget()
        assert looks(proc, watch, 1, oom_kill=1)[0]


@pytest.mark.parametrize("kind", ["fifo", "terminal", "directory", "log"])
def test_what_is_no_log_is_not_read(proc, kind):
    """
    In containers /dev/kmsg may be a terminal or a FIFO: sessions start, no descriptor is left, and
    every kill counts.
    """
    descriptors = []
    if kind == "fifo":
        os.mkfifo(proc.places[1])
    elif kind == "directory":
        os.mkdir(proc.places[1])
    elif kind == "terminal":
        descriptors += os.openpty()
        os.symlink(os.ttyname(descriptors[1]), proc.places[1])
    else:
        proc.logs("booted")
    before = len(os.listdir("/proc/self/fd"))
    watch = Watch(*proc.places)
    opened = len(os.listdir("/proc/self/fd")) - before
    watch.start()
    assert opened == 5 + (kind == "log")
    if kind != "log":
        assert looks(proc, watch, 1, oom_kill=1)[0]
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_came_before_a_setting_is_not_its_doing(proc, watch):
    """
    `start` forgets kills, hung tasks and stalls of the time before it.
    """
    looks(proc, watch, 2, memory=1.0)
    proc.passes(1.0, memory=1.0, oom_kill=1, hung=1)
    watch.start()
    assert looks(proc, watch, 2, memory=1.0) == [None, None]


@pytest.mark.parametrize("name", LOOKS)
def test_a_session_may_tighten_every_rail(proc, watch, name):
    """
    With a limit of zero, ordinary work is a breach.
    """
    watch.allow({name: 0.0})
    said = looks(proc, watch, 5, memory=0.1, io=0.1, pswpin=100, hung=0)
    proc.counts["hung"] += 1
    said += looks(proc, watch, 1)
    assert any(said)


@pytest.mark.parametrize(
    ("name", "growth"),
    [
        ("memory_full", {"memory": 0.6}),
        ("swap_mebibytes", {"pswpin": 300000}),
        ("hung_tasks", {"hung": 1}),
    ],
)
def test_no_session_can_switch_a_rail_off(proc, watch, name, growth):
    """
    However much it asks for, the guard's own limit stands.
    """
    watch.allow({name: 1e300})
    assert looks(proc, watch, 3, **growth)[-1]


def test_no_session_can_give_all_memory_away(proc, watch):
    """
    The last two per cent of memory are the guard's.
    """
    watch.allow({"memory_used": 5.0})
    proc.available = 100
    assert looks(proc, watch, 1)[0]


def test_the_disks_limit_follows_only_what_the_guard_has_seen(proc, watch):
    """
    Nine tenths at most, or a tenth more than has lasted before; told and set in two calls.
    """
    looks(proc, watch, 6, io=0.85)
    assert watch.allow({})["io_full"] == pytest.approx(0.85)
    watch.allow({"io_full": 5.0})
    assert looks(proc, watch, 6, io=0.94) == [None] * 6
    assert looks(proc, watch, 6, io=0.97)[-1]
    other = Watch(*proc.places)
    other.allow({"io_full": 5.0})
    assert looks(proc, other, 6, io=0.94)[-1]


def test_what_a_setting_brings_about_is_not_usual(proc, watch):
    """
    A session that lets disks stall under its setting cannot loosen the rail by it.
    """
    for _ in range(6):
        proc.passes(io=1.0)
        watch.breach(held=True)
    assert watch.allow({"io_full": 5.0})["io_full"] == 0.0
    assert looks(proc, watch, 6, io=0.95)[-1]


def test_memory_set_aside_for_huge_pages_is_not_missed(proc, watch):
    """
    A database host that gave nearly all its memory to huge pages is in no danger.
    """
    proc.available = 150
    proc.write()
    with (proc.folder / "meminfo").open("a") as file:
        file.write("Hugetlb:         6144000 kB\n")
    assert watch.breach() is None


def test_a_task_that_hung_before_is_not_held_against_a_setting(proc, watch):
    """
    The kernel reports a task that hangs for good again and again; one more is news.
    """
    looks(proc, watch, 1, hung=1)
    seen = watch.allow({})
    watch.allow({"hung_tasks": seen["hung_tasks"]})
    assert looks(proc, watch, 2, hung=1) == [None, None]
    assert looks(proc, watch, 1, hung=2) == ["the kernel reported hung tasks: 2"]


def test_what_was_seen_is_told_once(proc, watch):
    """
    Each call tells the most that lasted since the one before.
    """
    looks(proc, watch, 4, memory=0.2, io=0.3)
    seen = watch.allow({})
    assert seen["memory_full"] == pytest.approx(0.2)
    assert seen["io_full"] == 0.0  # four looks do not last
    assert seen["memory_used"] == pytest.approx(0.5)
    assert watch.allow({})["memory_full"] == 0.0


@pytest.mark.parametrize(
    "limits",
    [
        {"oom_kills": 9}, {"": 1}, {"io_full": float("nan")}, {"io_full": float("inf")},
        {"io_full": -1}, {"io_full": True}, {"io_full": "1"}, {"io_full": None}, {"io_full": [1]},
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_changes_nothing(proc, watch, limits):
    """
    An unknown rail or no number is an error that names what is allowed; no limit moves.
    """
    with pytest.raises(GuardError, match="guard rail"):
        watch.allow({"memory_full": 0.1, **limits})
    assert looks(proc, watch, 3, memory=0.3) == [None] * 3


def test_a_kernel_that_tells_nothing_trips_nothing(tmp_path, monkeypatch):
    """
    Without any of the files there are no rails, and no errors.
    """
    watch = Watch(str(tmp_path), str(tmp_path / "kmsg"))
    assert watch.breach() is None
    assert set(watch.allow(LOOSEST)) == set(LOOKS)
