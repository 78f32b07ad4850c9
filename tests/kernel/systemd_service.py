"""Ways to end a guard of the service below systemd, and who is let in."""

import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.guards import SWAPPINESS, seconds_until
from tests.kernel.systemd_looks import (
    WITHIN,
    Row,
    children,
    freeze,
    left,
    run,
    systemctl,
    until_back,
)

import sealtune
from sealtune.guard import access, trust
from sealtune.guard.kernel import Kernel

PYTHON = f"/usr/bin/python3.{sys.version_info[1]}"
"""An interpreter that every user may run."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MEMBER = """
import sys
from sealtune.guard import Guard
from sealtune.errors import SealtuneError
def tell(outcome):
    print("died", outcome, flush=True)
try:
    guard = Guard.start(knobs=["vm.swappiness"], on_guard_death=tell)
    guard.apply({"vm.swappiness": int(sys.argv[1])})
    print(guard.pid, flush=True)
    for line in sys.stdin:
        guard.close()
        print("closed", flush=True)
except SealtuneError as error:
    print(type(error).__name__, error, flush=True)
"""


class Service:
    """The service's own units at work for this installation, and two users."""

    def __init__(self) -> None:
        place = Path("/opt/sealtune")
        if not place.exists():
            shutil.copytree(Path(sealtune.__file__).parent, place / "sealtune")
            run("chown", "-R", "root:root", str(place))
            run("chmod", "-R", "u=rwX,go=rX", str(place))
            run("groupadd", "--system", "--force", "sealtune")
            run("useradd", "--system", "-M", "-G", "sealtune", "sealtune-member")
            run("useradd", "--system", "-M", "sealtune-stranger")
            program = str(place / "sealtune/guard/__main__.py")
            for name, text in trust.units().items():
                here = text.replace(access.PROGRAM, program).replace(sys.executable, PYTHON)
                Path("/run/systemd/system", name).write_text(here)
            systemctl("daemon-reload")
            systemctl("start", "sealtune-guard.socket")

    @contextmanager
    def session(
        self, value: int, user: str = "sealtune-member"
    ) -> "Iterator[subprocess.Popen[str]]":
        """Yield a session of `user` that holds a vm.swappiness."""
        entry = pwd.getpwnam(user)
        with subprocess.Popen(
            [PYTHON, "-c", MEMBER, str(value)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=os.getgrouplist(user, entry.pw_gid),
            env={"PYTHONPATH": "/opt/sealtune", "HOME": "/", "PATH": PATH},
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def end_services(how: str) -> Row:
    """End a guard of the service in one way, and look whether all is back and it serves again."""
    service, before = Service(), Kernel().read(SWAPPINESS)
    with service.session(30 if before != "30" else 40) as session:
        assert int(session.stdout.readline())
        main = main_process()
        guard = children(main)[0]
        assert Kernel().read(SWAPPINESS) != before
        begin = time.monotonic()
        _end_services(how, session, main, guard)
        seconds = until_back(before, begin, WITHIN)
        is_told = "session" not in how
        told = session.stdout.readline().strip() if is_told else ""
    with service.session(35) as session:  # it serves the next one, whatever happened
        assert int(session.stdout.readline())
    seconds_until(before, WITHIN)
    return Row(f"service: {how}", seconds, WITHIN, told, left())


SERVICES = (
    "session",
    "session closed",
    "guard and watcher",
    "service itself",
    "every process of the unit, session frozen",
    "restarted",
    "stopped",
)


def _end_services(how: str, session: "subprocess.Popen[str]", main: int, guard: int) -> None:
    if how == "session":
        session.kill()
    elif how == "session closed":
        session.stdin.write("close\n")
        session.stdin.flush()
        assert session.stdout.readline() == "closed\n"
    elif how == "guard and watcher":
        for pid in (*children(guard), guard):
            os.kill(pid, signal.SIGKILL)
    elif how == "service itself":
        os.kill(main, signal.SIGKILL)
    elif how.startswith("every process"):
        freeze(session.pid)
        systemctl("kill", "--signal=KILL", "sealtune-guard.service")
    else:
        systemctl({"restarted": "restart", "stopped": "stop"}[how], "sealtune-guard.service")


def end_services_often() -> Row:
    """Kill the service eight times within seconds: sessions are served all the same."""
    service, before, slowest = Service(), Kernel().read(SWAPPINESS), 0.0
    for _ in range(8):
        with service.session(30 if before != "30" else 40) as session:
            assert int(session.stdout.readline())
            begin = time.monotonic()
            os.kill(main_process(), signal.SIGKILL)
            slowest = max(slowest, until_back(before, begin, WITHIN))
    with service.session(35) as session:
        assert int(session.stdout.readline())
    seconds_until(before, WITHIN)
    return Row("service: killed eight times", slowest, WITHIN, "", left())


def refuse_a_stranger() -> Row:
    """Have somebody outside of the group ask for a guard, and look at the socket and the guard."""
    service = Service()
    found = os.stat("/run/sealtune-guard/socket")
    group = grp.getgrgid(found.st_gid).gr_name
    with service.session(30, "sealtune-stranger") as session:
        told = session.stdout.readline().strip()
    told = f"{found.st_mode & 0o777:o} {found.st_uid}:{group} {told}"
    return Row("service: a stranger", 0.0, WITHIN, told, left())


def confined() -> Row:
    """Look at what a guard of the service may do, as the kernel knows it."""
    service = Service()
    with service.session(30) as session:
        assert int(session.stdout.readline())
        guard = children(main_process())[0]
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{guard}/status").read_text().splitlines()
            if ":\t" in line
        )
    told = {name: status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    return Row("service: confined", 0.0, WITHIN, json.dumps(told), left())


def main_process() -> int:
    """Return the service's process; its socket is systemd's, as the kernel knows it."""
    return int(systemctl("show", "--value", "-p", "MainPID", "sealtune-guard"))
