import dataclasses
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.errors import ConfigError
from sealtune.machine import METRICS, MetricsWindow, resolve_metric
from sealtune.machine.metrics import Sample, between, take_sample

START = Sample(
    seconds=10.0,
    cpu=(100, 0, 100, 1000, 50, 0, 0, 0),
    switches=1000,
    memory={"MemTotal": 1000, "MemAvailable": 900, "Dirty": 5},
    stalled={"memory_some": 0, "memory_full": 0, "io_some": 1_000_000},
    disk=(0, 1000),
    oom_kills=1,
)
END = Sample(
    seconds=12.0,
    cpu=(150, 0, 110, 1020, 60, 0, 0, 10),
    switches=3000,
    memory={"MemTotal": 1000, "MemAvailable": 250, "Dirty": 77},
    stalled={"memory_some": 200_000, "memory_full": 100_000, "io_some": 2_000_000},
    disk=(31250, 1000),
    oom_kills=3,
)


def test_counters_become_rates_and_shares():
    """
    Each metric is the difference of two samples in its own unit, over two seconds.
    """
    assert {
        "cpu_usage": 60.0,
        "io_wait_percent": 10.0,
        "steal_percent": 10.0,
        "context_switches_per_second": 1000.0,
        "memory_used_percent": 75.0,
        "dirty_kb": 77.0,
        "psi_memory_some": 10.0,
        "psi_memory_full": 5.0,
        "psi_io_some": 50.0,
        "disk_read_mb_per_second": 8.0,
        "disk_write_mb_per_second": 0.0,
        "memory_pressure": 10.0,
        "oom_kills": 2.0,
    } == pytest.approx(between(START, END))


def test_what_the_kernel_does_not_give_is_left_out():
    """
    A kernel without any of the files yields no metric, not a zero.
    """
    nothing = Sample(1.0, (), None, {}, {}, None, None)

    assert {} == between(nothing, nothing)


counts = st.integers(0, 2**40)


@given(
    st.lists(counts, min_size=8, max_size=8),
    st.lists(counts, min_size=8, max_size=8),
    counts,
    counts,
)
def test_no_counter_leads_to_an_impossible_share(before, after, stalled, later):
    """
    Even counters that run backwards (they do) leave every share between 0 and 100.
    """
    start = dataclasses.replace(START, cpu=tuple(before), stalled={"io_full": stalled})
    end = dataclasses.replace(END, cpu=tuple(after), stalled={"io_full": later})

    state = between(start, end)

    shares = [state[name] for name in state if METRICS[name].unit == "%"]
    assert all(-1e-9 <= share <= 100 + 1e-9 for share in shares)


def test_a_window_reads_a_tree(tree):
    """
    A window reads the six files at either end and takes the difference, disks without partitions.
    """
    tree.disk("vda", "254:0")

    def stage(factor):
        tree.write("/proc/stat", f"cpu {factor * 50} 0 0 {factor * 50} 0 0 0 0 0 0\nctxt 7\n")
        tree.write("/proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 60 kB\nDirty: 3 kB\n")
        sectors = factor * 1_000_000
        row = f"8 0 {{}} 1 0 {sectors} 0 1 0 {2 * sectors} 0 0 0 0\n"
        tree.write("/proc/diskstats", row.format("vda") + row.format("vda1"))
        tree.write("/proc/vmstat", f"nr_free_pages 3\noom_kill {factor}\n")

    stage(1)
    window = MetricsWindow.open(root=tree.root)
    stage(2)
    state = window.close()

    assert (50.0, 40.0, 3.0, 1.0) == tuple(
        state[name] for name in ("cpu_usage", "memory_used_percent", "dirty_kb", "oom_kills")
    )
    assert pytest.approx(2.0) == (
        state["disk_write_mb_per_second"] / state["disk_read_mb_per_second"]
    )


def test_no_traffic_is_counted_twice(tree):
    """
    Of a disk, its partition and a volume stacked on it only the disk counts, unless one is named.
    """
    tree.disk("vda", "254:0").disk("dm-0", "253:0")
    row = "8 0 {} 1 0 1000 0 1 0 2000 0 0 0 0\n"
    tree.write("/proc/diskstats", "".join(map(row.format, ("vda", "vda1", "dm-0"))))

    assert (1000, 2000) == take_sample(root=tree.root).disk
    assert (1000, 2000) == take_sample("dm-0", tree.root).disk


def test_every_metric_of_this_kernel_is_described():
    """
    A real window yields only described metrics.
    """
    assert set(MetricsWindow.open().close()) <= set(METRICS)


def test_a_window_is_cheap():
    """
    Opening and closing take little of a trial: typically one millisecond, never five.
    """
    costs = []
    for _ in range(20):
        begin = time.thread_time()
        MetricsWindow.open().close()
        costs.append(time.thread_time() - begin)

    assert statistics.median(costs) < 0.005


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_its_own_name(name):
    """
    Every listed metric resolves to itself.
    """
    assert name == resolve_metric(name)


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("cpu_utilization", "cpu_usage"),
        ("CPU usage", "cpu_usage"),
        ("memory_usage", "memory_used_percent"),
        ("io-wait", "io_wait_percent"),
    ],
)
def test_usual_synonyms_are_understood(alias, expected):
    """
    What a model or a person calls a metric finds it.
    """
    assert expected == resolve_metric(alias)


def test_an_unknown_metric_lists_what_is_allowed():
    """
    An unknown metric is an error of the config that names every allowed one.
    """
    with pytest.raises(ConfigError, match="happiness") as caught:
        resolve_metric("happiness")

    assert all(name in str(caught.value) for name in METRICS)
