"""A real systemd as first process of namespaces of its own, and sealtune's guards below it.

As root: ``python -m tests.kernel.systemd``. Boots systemd with a handful of empty targets in place
of the distribution's units, so that nothing runs but what is looked at. /etc, /opt and /run are
its own and /proc/sys but vm is read-only for it; the guard's lock and journal are the machine's.
Prints each way to end a guard with the time until the value was back. Exit code 1 when one took
longer than 2 s (10 s when a process was frozen), or something was left behind.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kernel.systemd_looks import Row, children
from tests.kernel.systemd_service import PYTHON

SYSTEMD = "/lib/systemd/systemd"
TOOLS = ("unshare", "nsenter", "systemd-run", "systemctl", "useradd", "groupadd")
_ROOT = Path(__file__).parents[2]
BOOT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /proc/sys/vm /proc/sys/vm
mount -o remount,bind,rw /proc/sys/vm
mount -t cgroup2 none /sys/fs/cgroup
mount --bind /dev/null /dev/console
mount -t tmpfs -o mode=700 tmpfs "$1"
mkdir "$1/etc" "$1/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" overlay /etc
[ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef > /etc/machine-id
mkdir "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
touch "$1/run/sealtune.lock"
mount --bind /run/sealtune.lock "$1/run/sealtune.lock"
mount -n --move "$1/run" /run
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p /run/systemd/system /run/systemd/transient
for target in sysinit basic shutdown sockets own; do
    printf '[Unit]\\nDefaultDependencies=no\\n' > /run/systemd/system/$target.target
done
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \\
    SYSTEMD_UNIT_PATH=/run/systemd/transient:/run/systemd/system \\
    /lib/systemd/systemd --system --unit=own.target --log-target=null --show-status=0
"""


class Booted:
    """A running systemd."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def run(self, *command: str, seconds: float = 100.0) -> subprocess.CompletedProcess[str]:
        """Run `command` beside it, in its namespaces."""
        inside = ["nsenter", "-t", str(self._pid), "-m", "-p", "-i", "-u", "-C", *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=seconds, check=False)

    def rows(self, *names: str) -> list[Row]:
        """End guards in the ways `names`, all of them when none are given."""
        here = ["env", f"--chdir={_ROOT}", f"PYTHONPATH={_ROOT}:{_ROOT}/src", sys.executable]
        done = self.run(*here, "-m", "tests.kernel.systemd_ways", *names)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        return [Row(*one) for one in json.loads(done.stdout)]


def absent() -> str:
    """Return why systemd cannot be booted here, nothing when it can be tried."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    missing += [path for path in (SYSTEMD, PYTHON) if not os.path.exists(path)]
    if missing:
        return f"{', '.join(missing)} is not installed"
    return "" if _hierarchy() else "no control groups of version 2"


@contextmanager
def booted() -> Iterator[Booted]:
    """Boot systemd, and end it with everything below it.

    Raises:
        OSError: It does not come up.
    """
    Path("/run/sealtune.lock").touch()
    place = Path(f"/run/sealtune-test-{os.getpid()}")
    group = Path(_hierarchy(), place.name)
    place.mkdir()
    group.mkdir()
    namespaces = ["--pid", "--mount", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child"]
    inner = ["unshare", *namespaces, "sh", "-c", BOOT, "sh", str(place)]
    enter = 'echo $$ > "$0/cgroup.procs"; exec "$@"'
    with subprocess.Popen(
        ["sh", "-c", enter, str(group), *inner],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            systemd = Booted(_first_process(process))
            try:
                yield systemd
            finally:
                systemd.run("systemctl", "stop", "sealtune-guard*")  # takes files in /tmp along
        finally:
            process.kill()
            process.wait()
            _remove_group(group)
            place.rmdir()


def _first_process(process: subprocess.Popen[str]) -> int:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        for child in children(process.pid):
            run = Booted(child).run
            if run("systemctl", "is-active", "--quiet", "own.target").returncode == 0:
                return child
        time.sleep(0.1)
    process.kill()
    raise OSError(f"systemd did not come up: {process.stderr.read() if process.stderr else ''}")


def _remove_group(group: Path) -> None:
    """Remove it with all below it, once the kernel has let go of the dead."""
    for _ in range(100):
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)
        if not group.exists():
            return
        time.sleep(0.05)


def _hierarchy() -> str:
    """Return where control groups of version 2 are made, nothing where they are not."""
    places = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
    return next((one for one in places if os.path.exists(f"{one}/cgroup.procs")), "")


def main() -> int:
    """Print each way to end a guard below systemd, and what came of it."""
    if reason := absent():
        print(f"systemd cannot be booted here: {reason}")
        return 1
    with booted() as systemd:
        version = systemd.run("systemctl", "--version").stdout.split("\n")[0]
        rows = systemd.rows()
    print(version)
    for row in rows:
        print(f"{row.what:<52} {row.seconds:5.2f} s  {row.told[:70]}  {' '.join(row.left)}")
    return 0 if all(row.is_kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
