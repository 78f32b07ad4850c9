import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealtune.apply import apply_setting, find_conflicts, plan_files, read_live, revert, status
from sealtune.catalogue import load_catalogue
from sealtune.errors import BusyError
from sealtune.guard import Guard

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writing the kernel needs root"),
]
NAMES = ("vm.compaction_proactiveness", "net.ipv4.tcp_fin_timeout", "transparent_hugepage/defrag")
KEY = "kernel.domainname"
OURS = "99-zz-sealtune-x.conf"


@pytest.fixture
def guard():
    deadline = time.monotonic() + 60
    while True:
        try:
            started = Guard.start(knobs=())
            break
        except BusyError:
            if time.monotonic() > deadline:
                pytest.skip("another sealtune has been tuning this machine for a minute")
            time.sleep(1)
    yield started
    started.close()


@pytest.fixture
def change():
    """Knobs of this kernel with their present value and another allowed one."""
    catalogue = load_catalogue()
    chosen = {}
    for name in NAMES:
        knob = catalogue.get(name)
        if knob is None or (found := read_live(knob.path)) is None:
            continue
        if knob.kind == "choice":
            other = next(choice for choice in knob.choices if choice != found)
        else:
            other = int(found) - 1 if int(found) > knob.low else int(found) + 1
        chosen[name] = (knob, found, other)
    if not chosen:
        pytest.skip("this kernel has none of " + ", ".join(NAMES))
    before = {knob.path: found for knob, found, _ in chosen.values()}
    yield chosen
    for path, value in before.items():
        if read_live(path) != value:
            Path(path).write_text(value)
            pytest.fail(f"{path} had not been put back")


def test_apply_status_and_revert_on_the_real_kernel(tmp_path, guard, change):
    """
    Applied values survive the end of the guard, drift is seen, and revert brings back the values
    from before.
    """
    plan = plan_files(
        {name: value for name, (_, _, value) in change.items()},
        {name: knob for name, (knob, _, _) in change.items()},
        {name: found for name, (_, found, _) in change.items()},
        {},
        "x1.1",
        "kernel test",
        tmp_path,
    )
    try:
        apply_setting(plan, guard)
        guard.close()  # what was committed is not restored

        (found,) = status(tmp_path, read_live)
        assert {"as applied"} == {parameter.state for parameter in found.parameters}
        assert {name: str(value) for name, (_, _, value) in change.items()} == {
            parameter.name: parameter.live for parameter in found.parameters
        }
    finally:
        with Guard.start(knobs=()) as second:
            done = revert(root=tmp_path, guard=second)

    assert {name: found for name, (_, found, _) in change.items()} == done.restored
    assert {} == done.left
    assert [found for _, found, _ in change.values()] == [
        read_live(knob.path) for knob, _, _ in change.values()
    ]


WHOLE = """
set -eu
mkdir -p /var/lib/sealtune/applied /etc/tmpfiles.d
for place in etc/sysctl.d etc/tmpfiles.d var/lib/sealtune/applied; do
  mkdir -p "$1/$place"
  mount --bind "$1/$place" "/$place"
done
if [ "$2" = read-only ]; then mount -o remount,bind,ro /etc/tmpfiles.d; fi
exec "$3" -c "$4"
"""
PROGRAM = """
from sealtune.apply import apply_setting, plan_files, read_live, revert, status
from sealtune.catalogue import load_catalogue
from sealtune.errors import ApplyError

names = ["vm.compaction_proactiveness", "transparent_hugepage/defrag"]
knobs = {name: load_catalogue().get(name) for name in names}
found = {name: read_live(knob.path) for name, knob in knobs.items()}
huge = "never" if found[names[1]] != "never" else "madvise"
setting = {names[0]: (int(found[names[0]]) + 1) % 60, names[1]: huge}
plan = plan_files(setting, knobs, found, {}, "x1.1", "kernel test")
try:
    apply_setting(plan)
    shown = {parameter.name: parameter.live for parameter in status()[0].parameters}
    print("applied", shown == {name: str(value) for name, value in setting.items()})
except ApplyError as error:
    print("refused", "/etc/tmpfiles.d/" in str(error) and "Read-only" in str(error))
print("reverted", len(revert().removed), len(status()))
print("as before", found == {name: read_live(knob.path) for name, knob in knobs.items()})
"""


@pytest.mark.parametrize(
    ("etc", "outcome"),
    [
        ("writable", ["applied True", "reverted 2 0", "as before True"]),
        ("read-only", ["refused True", "reverted 0 0", "as before True"]),
    ],
)
def test_the_machine_itself_is_set_and_put_back(tmp_path, guard, etc, outcome):
    """
    With root / and a guard of its own: applied, shown and reverted; and where /etc/tmpfiles.d is
    read-only nothing is changed. The real /etc is hidden behind bind mounts.
    """
    guard.close()  # it only showed that nobody else is at work
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", WHOLE, "sh", tmp_path, etc, sys.executable, PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")

    assert (outcome, "") == (done.stdout.splitlines(), done.stderr)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


SCRIPT = """
set -eu
mount -t tmpfs none /run
for place in etc/sysctl.d usr/lib/sysctl.d run/sysctl.d; do
  mkdir -p "/$place" "$1/$place"
  mount --bind "$1/$place" "/$place"
done
touch "$1/etc/sysctl.conf"
mount --bind "$1/etc/sysctl.conf" /etc/sysctl.conf
echo untouched > /proc/sys/kernel/domainname
"$2" ${3:-} > /dev/null 2>&1 || true
cat /proc/sys/kernel/domainname
"""
TREES = [
    {},
    {"etc/sysctl.d/50-a.conf": f"{KEY} = other"},
    {"usr/lib/sysctl.d/zzz.conf": "kernel/domainname=other"},
    {"usr/lib/sysctl.d/zzz.conf": f"{KEY}=other", "etc/sysctl.d/zzz.conf": "# masked"},
    {"run/sysctl.d/zzz.conf": f"  -{KEY} =  other  "},
    {"etc/sysctl.d/zzz.conf": "kernel.domainn* = other"},
    {"etc/sysctl.d/zzz.conf": f"-{KEY}"},
    {"etc/sysctl.d/.zzz.conf": f"{KEY} = other"},
    {"etc/sysctl.conf": f"{KEY} = other"},
    {f"usr/lib/sysctl.d/{OURS}": f"{KEY} = other"},
    {"etc/sysctl.d/zzz.conf": f"; {KEY} = other\n#{KEY} = other\n{KEY}.x = other"},
]


@pytest.mark.parametrize("files", TREES, ids=range(len(TREES)))
@pytest.mark.parametrize(
    ("reader", "command"),
    [
        ("systemd-sysctl", ["/lib/systemd/systemd-sysctl"]),
        ("sysctl --system", ["sysctl", "--system"]),
    ],
)
def test_the_real_readers_agree_about_who_wins(tmp_path, reader, command, files):
    """
    In a mount and UTS namespace of its own, the value left by the real program is ours exactly
    when no winner was reported for it.
    """
    if not shutil.which(command[0]) or not shutil.which("unshare"):
        pytest.skip(f"{command[0]} or unshare is missing")
    for path, text in {**files, f"etc/sysctl.d/{OURS}": f"{KEY} = ours"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    done = subprocess.run(
        ["unshare", "--mount", "--uts", "sh", "-c", SCRIPT, "sh", str(tmp_path), *command],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")

    ours, writes = tmp_path / "etc/sysctl.d" / OURS, tmp_path / "etc/tmpfiles.d/x.conf"
    found = find_conflicts(tmp_path, ours, writes, {"/proc/sys/kernel/domainname": "ours"})

    wins = any(conflict.wins for conflict in found if conflict.reader == reader)
    assert wins == (done.stdout.strip() != "ours"), done.stdout
