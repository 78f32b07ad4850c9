"""A script that runs one command, confined, and lets nothing of it outlive it.

Standard library only.

Started as ``python -I -S warden.py ORDERS COMMAND...``, with the fields of `Orders` as JSON. The
command runs as an unprivileged user in a session of its own, with nothing but standard streams.
Under root it also gets a control group and namespaces of its own; the process that waits for it
is the first of that namespace, so that the kernel ends everything in it when that one ends,
however it ends. An ordinary user's warden adopts every orphan below it and kills them all.

The command ends when it is done, when our standard input closes (also because sealtune was
killed): after a signal and some grace, or when it eats the disk.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sealtune.benchmarks.becoming import Orders
    from sealtune.benchmarks.disk_watch import Disk

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILL_SECONDS = 10.0
LOOK_SECONDS = 1.0
"""How often the free space is looked at while a command runs [s]."""
ENDED_FOR_SPACE = 125


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code, 128 + N for signal N."""
    # All that is needed is loaded here: later we may be a user who cannot read it.
    from sealtune.benchmarks import cgroup, fence, namespaces
    from sealtune.benchmarks.becoming import (
        NO_FENCE,
        NO_VIEW,
        REFUSED_NETWORK,
        Orders,
        note,
        say,
    )

    orders, command = Orders(**json.loads(arguments[0])), arguments[1:]
    if orders.notes >= 0:
        os.set_inheritable(orders.notes, False)  # nothing for the command
    if os.geteuid() != 0:
        return keep(orders, command)
    group = Path(orders.group)
    grouped = bool(orders.group) and cgroup.make(group)
    noted = fence.notebook() if grouped and not orders.network else None
    if not orders.network and not (grouped and fence.only_loopback(group, noted)):
        note(orders, f"{NO_FENCE}: the network was open")
    try:
        # Opened before the program's own view of the machine is made, in which others have a say.
        joined = [str(group / "cgroup.procs")] if grouped else []
        joined += [orders.join] if orders.join else []
        groups = [os.open(procs, os.O_WRONLY | os.O_CLOEXEC) for procs in joined]
        if not namespaces.new_processes():
            note(orders, f"{NO_VIEW}: the machine's processes were open to it")
        keeper = os.fork()
        if keeper == 0:
            keep_apart(orders, command, groups)
        code = exit_code(os.waitpid(keeper, 0)[1])
        if fence.has_refused(noted):
            say(REFUSED_NETWORK)
        return code
    finally:
        if grouped:
            cgroup.clear(group)


def keep_apart(orders: "Orders", command: list[str], groups: "list[int]") -> None:
    """Be the first process of the new namespace; never returns."""
    from sealtune.benchmarks import namespaces
    from sealtune.benchmarks.becoming import NO_VIEW, OPEN_MODES, OPEN_TEMPORARY, note, say

    code, covered = 127, False
    try:
        if not namespaces.new_view():
            note(orders, f"{NO_VIEW}: /tmp and /dev/shm were the machine's")
        else:
            own = [Path(path) for path in (orders.place, *orders.writable) if path]
            closed = namespaces.only_writable(own)
            if not closed and "/" not in map(os.path.realpath, own):  # else the person wants it
                note(orders, f"{OPEN_MODES}: it could change the modes of its user's files")
            namespaces.private_shared_memory()
            namespaces.without_terminals(orders.uid)
            if orders.temporary:
                namespaces.without_services()
                covered = namespaces.private_temporary(
                    Path(orders.temporary),
                    orders.uid,
                    orders.gid,
                    [Path(path) for path in orders.visible],
                    own,
                )
                if not covered:
                    note(orders, f"{OPEN_TEMPORARY}: it saw the machine's")
            if not namespaces.fresh_proc():
                note(orders, f"{NO_VIEW}: /proc showed the machine's processes")
        # After the mounts: they change the user for a moment, and the kernel forgets this then.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        code = keep(orders, command, covered, groups)
    except OSError as error:
        say(f"{command[0]}: cannot start: {error}")
    finally:
        os._exit(code)


def keep(
    orders: "Orders", command: list[str], covered: bool = False, groups: "Sequence[int]" = ()
) -> int:
    """Start the command, wait for its end or bring it about; return its exit code.

    Args:
        orders: How it runs.
        command: Program and arguments.
        covered: Its /tmp and /var/tmp are its own.
        groups: Open ``cgroup.procs`` of the control groups that it joins.
    """
    from sealtune.benchmarks.becoming import ATE_DISK, become, note
    from sealtune.benchmarks.disk_watch import Disk

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        become(orders, command, covered, groups)
    disk = Disk(orders.place, orders.reserve) if orders.place else None
    ended = wait(child, 0, wake_read, None, disk)
    if ended is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, orders.stop_signal if orders.grace > 0 else signal.SIGKILL)
        ended = wait(child, None, wake_read, orders.grace, disk)
    if disk is not None and disk.has_been_eaten:
        note(orders, ATE_DISK)
    if os.getpid() != 1:  # else the kernel kills them all as soon as we are gone
        kill_descendants()
    return 0 if ended is None else ended


def wait(
    child: int, lifeline: "int | None", wake: int, limit: "float | None", disk: "Disk | None"
) -> "int | None":
    """Reap until `child` ends; ``None`` when `lifeline` closes or `limit` passes first."""
    from sealtune.benchmarks.becoming import say

    deadline = None if limit is None else time.monotonic() + limit
    watched = [wake] if lifeline is None else [wake, lifeline]
    while True:
        status = reap(child)
        if status is not None:
            return status
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return None
        pause = left if disk is None else min(LOOK_SECONDS, left or LOOK_SECONDS)
        ready = select.select(watched, [], [], pause)[0]
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if lifeline in ready:
            return None
        if disk is not None and (scarce := disk.eaten()):
            say(f"error: ended, it left only {scarce} free on the disk")
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            return ENDED_FOR_SPACE


def reap(child: int) -> "int | None":
    """Collect every process that has ended; return the exit code if `child` is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                found = exit_code(status)
    return found


def exit_code(status: int) -> int:
    """Return the exit code of a wait status, 128 + N for signal N."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def kill_descendants() -> None:
    """Kill what is left below us; orphans move up to us, so our own children suffice."""
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline:
        for pid, group in children():
            # Who forks faster than we look is still in its group.
            for target in (-group, pid) if group not in (0, os.getpgrp()) else (pid,):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(target, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.0005)
        except ChildProcessError:
            return


def children() -> "list[tuple[int, int]]":
    """Return pid and process group of the processes whose parent we are."""
    ours, found = str(os.getpid()), []
    try:
        with open(f"/proc/self/task/{ours}/children") as file:
            names = file.read().split()
    except OSError:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    for name in names:
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parent, group = file.read().rpartition(b")")[2].split()[1:3]
            if parent == ours.encode():
                found.append((int(name), int(group)))
    return found


if __name__ == "__main__":
    # Started without the site's packages and without the path of this script.
    sys.path.append(str(Path(__file__).parents[2]))
    raise SystemExit(main(sys.argv[1:]))
