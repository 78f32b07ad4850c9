import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealtune.apply import find_conflicts
from sealtune.apply.boot_files import configuration_files, sysctl_assignments, sysctl_target

KEY = "vm.swappiness"
PATH = "/proc/sys/vm/swappiness"
OURS = "99-zz-sealtune-x.conf"
DIRECTORIES = ["etc", "run", "usr/local/lib", "usr/lib", "lib"]

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=8).filter(
    lambda word: word[0] != "-"
)
file_names = st.sampled_from(["10-a.conf", "50-b.conf", "99-sysctl.conf", "99-zzz.conf", "z.conf"])
lines = st.sampled_from(
    [f"{KEY} = {n}" for n in range(5)]
    + ["vm/swappiness=5", "-vm.swappiness = 6", f"-{KEY}", "# vm.swappiness = 7", "vm.* = 8"]
    + ["other.key = 9", "no assignment", ""]
)
etc_trees = st.dictionaries(
    st.tuples(st.sampled_from(DIRECTORIES), file_names), st.lists(lines, max_size=4), max_size=6
)


def put(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def conflicts(root, value="1"):
    ours, writes = root / "etc/sysctl.d" / OURS, root / "etc/tmpfiles.d/sealtune-x.conf"
    return find_conflicts(root, ours, writes, {PATH: value})


@given(st.lists(words, min_size=2, max_size=5))
def test_both_separators_name_the_same_parameter(parts):
    """
    A key written with dots and one written with slashes lead to the same file.
    """
    assert "/".join(parts) == sysctl_target(".".join(parts)) == sysctl_target("/".join(parts))


@given(st.text(max_size=300))
def test_any_text_can_be_scanned(text):
    """
    Whatever a file holds, scanning ends, and every line found is a real one with a target.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "a.conf"
        file.write_bytes(text.encode("utf-8", "replace"))
        found = sysctl_assignments(file)

    assert all(line.target and "*" not in line.target for line in found)
    assert all(1 <= line.line <= text.count("\n") + 1 for line in found)


def winner(files, reader):
    """What a boot leaves behind, told in another way: play every line into a dictionary."""
    state = {}
    chosen = {}
    for directory in reversed(DIRECTORIES):
        chosen |= {name: text for (where, name), text in files.items() if where == directory}
    chosen[OURS] = [f"{KEY} = ours"]
    for name in sorted(chosen):
        for line in chosen[name]:
            key, equals, value = line.lstrip("-").partition("=")
            if line.startswith(("#", "vm.*")) or not key.strip():
                continue
            same = key.strip().replace("/", ".") == KEY
            if same and equals:
                state["value"] = value.strip()
            elif same and line.startswith("-") and reader == "systemd-sysctl":
                state["value"] = None
    return state["value"]


@settings(max_examples=200, deadline=None)
@given(etc_trees)
def test_a_winner_is_reported_exactly_when_ours_would_lose(files):
    """
    For any set of files the scanner agrees with playing them back in reading order.
    """
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for (where, name), text in files.items():
            put(root, f"{where}/sysctl.d/{name}", "\n".join(text))
        found = conflicts(root, value="ours")

    for reader in ("systemd-sysctl", "sysctl --system"):
        wins = [
            conflict.value for conflict in found if conflict.reader == reader and conflict.wins
        ]
        left = winner(files, reader)
        assert ([] if left == "ours" else [left]) == wins


def test_sysctl_conf_wins_under_procps_only(tmp_path):
    """
    /etc/sysctl.conf is read last by `sysctl --system` and not at all by systemd-sysctl.
    """
    put(tmp_path, "etc/sysctl.conf", f"\n{KEY} = 60\n")

    (found,) = conflicts(tmp_path)

    assert ("sysctl --system", True, 2, "60") == (
        found.reader,
        found.wins,
        found.line,
        found.value,
    )
    assert "wins over ours" in str(found)


def test_the_debian_link_to_sysctl_conf_loses_under_systemd(tmp_path):
    """
    99-sysctl.conf, the link to /etc/sysctl.conf, sorts before our file.
    """
    put(tmp_path, "etc/sysctl.conf", f"{KEY} = 60\n")
    put(tmp_path, "etc/sysctl.d/README", "")
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")

    found = {conflict.reader: conflict.wins for conflict in conflicts(tmp_path)}

    assert {"systemd-sysctl": False, "sysctl --system": True} == found


def test_a_link_to_dev_null_masks_a_file(tmp_path):
    """
    A file of the distribution that the administrator masked sets nothing.
    """
    put(tmp_path, "usr/lib/sysctl.d/zzz.conf", f"{KEY} = 60\n")
    assert conflicts(tmp_path)
    put(tmp_path, "etc/sysctl.d/README", "")
    (tmp_path / "etc/sysctl.d/zzz.conf").symlink_to("/dev/null")

    assert () == conflicts(tmp_path)


def test_the_same_value_elsewhere_is_no_conflict(tmp_path):
    """
    A later file that sets what we set changes nothing.
    """
    put(tmp_path, "etc/sysctl.d/zzz.conf", f"{KEY} = 1\n")

    assert () == conflicts(tmp_path)


def test_files_are_ordered_by_name_across_directories(tmp_path):
    """
    The directory decides only between files of one name.
    """
    for path in ("etc/sysctl.d/b.conf", "usr/lib/sysctl.d/a.conf", "run/sysctl.d/b.conf"):
        put(tmp_path, path, "")

    found = [str(p.relative_to(tmp_path)) for p in configuration_files(tmp_path, "sysctl.d")]

    assert ["usr/lib/sysctl.d/a.conf", "etc/sysctl.d/b.conf"] == found


@pytest.mark.parametrize(
    ("name", "target", "wins"),
    [
        ("a.conf", "/sys/block/vda/queue/read_ahead_kb", True),
        ("z.conf", "/sys/block/vda/queue/read_ahead_kb", False),
        ("z.conf", "/sys/block/*/queue/read_ahead_kb", True),
    ],
)
def test_tmpfiles_obeys_the_first_line_and_patterns_last(tmp_path, name, target, wins):
    """
    Of two lines for one path the first is obeyed; a pattern runs after both.
    """
    put(tmp_path, f"etc/tmpfiles.d/{name}", f"d /x\nw- {target} - - - - 64\n")
    ours = tmp_path / "etc/tmpfiles.d/sealtune-x.conf"

    (found,) = find_conflicts(
        tmp_path, tmp_path / OURS, ours, {"/sys/block/vda/queue/read_ahead_kb": "128"}
    )

    assert (wins, "64", 2) == (found.wins, found.value, found.line)


def test_an_active_tuned_profile_is_mentioned(tmp_path):
    """
    TuneD sets parameters whenever it starts, after every file.
    """
    put(tmp_path, "etc/tuned/active_profile", "throughput-performance\n")

    assert "throughput-performance" in str(conflicts(tmp_path)[0])
