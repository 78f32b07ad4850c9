import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.apply import safe_name
from sealtune.apply.plan import one_line
from sealtune.catalogue.knob import Knob
from sealtune.errors import ApplyError, KnobError


def test_the_files_say_what_why_and_how_much(plan, tmp_path, tree):
    """
    Sysctl and sysfs go to their own files, each line under its reason and gain; planning itself
    writes nothing.
    """
    before = tree(tmp_path)
    sysctl, tmpfiles = plan().files

    assert tmp_path / "etc/sysctl.d/99-zz-sealtune-postgresql-oltp.conf" == sysctl[0]
    assert [
        "# vm.swappiness: the database caches by itself",
        "# before: 60; measured gain: x1.1 (95% interval 1.05 to 1.15)",
        "vm.swappiness = 10",
    ] == sysctl[1].splitlines()[-3:]
    assert tmp_path / "etc/tmpfiles.d/sealtune-postgresql-oltp.conf" == tmpfiles[0]
    assert [
        "# thp/enabled: no stalls",
        "# before: madvise; measured gain: x1.1 (95% interval 1.05 to 1.15)",
        "w- /sys/kernel/mm/transparent_hugepage/enabled - - - - never",
    ] == tmpfiles[1].splitlines()[-3:]
    assert "+vm.swappiness = 10" in plan().diff
    assert before == tree(tmp_path)


@given(st.text())
def test_a_reason_is_one_printable_line(text):
    """
    Nothing a model writes leaves its comment.
    """
    line = one_line(text)

    assert line.isprintable()
    assert len(line) <= 160
    assert len(f"# {line}".splitlines()) == 1


@given(st.text())
def test_a_name_is_safe_in_a_path(text):
    """
    Whatever the workload is called, its name is a plain part of a file name.
    """
    name = safe_name(text)

    assert 1 <= len(name) <= 40
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
    assert not name.endswith("-")


def test_long_names_that_begin_alike_stay_apart():
    """
    Two workloads never share one file because their descriptions begin with the same words.
    """
    said = "optimize this system for a write-heavy {} database"
    names = {safe_name(said.format(kind)) for kind in ("PostgreSQL", "MySQL", "MariaDB")}
    assert 3 == len(names)


def test_a_hostile_reason_adds_no_line(plan):
    """
    A reason with line breaks changes neither file's settings.
    """
    evil = "nice\nkernel.modprobe = /tmp/x\r\u2028w /etc/passwd - - - - x"
    files = plan(reasons={"vm.swappiness": evil, "thp/enabled": evil}).files

    settings = [line for _, text in files for line in text.splitlines() if line and line[0] != "#"]
    assert [
        "vm.swappiness = 10",
        "w- /sys/kernel/mm/transparent_hugepage/enabled - - - - never",
    ] == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vm.swappiness", "10\nkernel.modprobe=/x"),
        ("vm.swappiness", "ten"),
        ("vm.swappiness", 151),
        ("vm.swappiness", -1),
        ("vm.swappiness", ""),
        ("thp/enabled", "sometimes"),
        ("thp/enabled", "never\n"),
        ("thp/enabled", "%n"),
        ("vm.unknown", 1),
    ],
)
def test_a_value_that_may_not_be_is_refused(plan, name, value):
    """
    Unknown parameters, line breaks, wrong types and unsafe values name the parameter.
    """
    with pytest.raises(KnobError, match=name):
        plan({name: value})


def test_a_range_is_widened_to_the_value_found(plan):
    """
    A parameter found outside its safe range may be kept as far out as it was, not further.
    """
    assert plan({"vm.swappiness": 180}, previous={"vm.swappiness": "200"}).files
    with pytest.raises(KnobError, match="outside"):
        plan({"vm.swappiness": 201}, previous={"vm.swappiness": "200"})


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/sys/../../etc/x", "/sys/a b", "/sys/block/{dev}/queue/x"]
)
def test_a_path_outside_proc_sys_and_sys_is_refused(plan, path):
    """
    Only one plain file under /proc/sys or /sys can be written at boot.
    """
    with pytest.raises(KnobError, match="no single file"):
        plan({"x": 1}, knobs={"x": Knob("x", path, "int", 0, 9)}, previous={"x": "0"})


def test_a_forbidden_parameter_is_refused(plan):
    """
    The never-tune list holds here as well.
    """
    knob = Knob("kernel.randomize_va_space", "/proc/sys/kernel/randomize_va_space", "int", 0, 2)

    with pytest.raises(KnobError, match="never tuned"):
        plan({knob.name: 0}, knobs={knob.name: knob}, previous={knob.name: "2"})


def test_what_cannot_be_undone_is_not_planned(plan):
    """
    Without a previous value, or with nothing to set, there is no plan.
    """
    with pytest.raises(KnobError, match="could not be undone"):
        plan(previous={})
    with pytest.raises(ApplyError, match="empty"):
        plan({})


def test_a_dot_inside_a_name_uses_slashes(plan):
    """
    An interface such as eth0.100 keeps its dot.
    """
    path = "/proc/sys/net/ipv4/neigh/eth0.100/gc_stale_time"
    knob = Knob("net.x", path, "int", 0, 99)

    ((_, text),) = plan({"net.x": 5}, knobs={"net.x": knob}, previous={"net.x": "60"}).files

    assert "\nnet/ipv4/neigh/eth0.100/gc_stale_time = 5\n" in text


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="systemd-tmpfiles is missing")
def test_systemd_tmpfiles_understands_our_file(plan, tmp_path):
    """
    The real program writes the value that our line names, and nothing else.
    """
    text = plan().files[1][1]
    target = tmp_path / "enabled"
    target.write_text("")
    file = tmp_path / "ours.conf"
    file.write_text(text.replace("/sys/kernel/mm/transparent_hugepage/enabled", str(target)))

    done = subprocess.run(
        ["systemd-tmpfiles", "--create", f"--prefix={tmp_path}", str(file)],
        capture_output=True,
        text=True,
    )

    assert (0, "", "never") == (done.returncode, done.stderr, target.read_text())
