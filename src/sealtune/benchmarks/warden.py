"""A script that runs one command and lets nothing of it outlive it. Standard library only.

Started as ``python -I -S warden.py SIGNAL GRACE UID GID GROUPS DIRECTORY COMMAND...``. The command
runs as that user in a session of its own, with nothing but standard streams. The warden adopts
every orphan below it, and kills them all when the command ends, or when its own standard input
closes: after SIGNAL and GRACE seconds. So nothing survives, also when sealtune itself is killed.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code, 128 + N for signal N."""
    stop_signal, grace = int(arguments[0]), float(arguments[1])
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        become(arguments[2:6], arguments[6:], libc)
    ended = wait(child, 0, wake_read, None)
    if ended is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, stop_signal if grace > 0 else signal.SIGKILL)
        ended = wait(child, None, wake_read, grace)
    kill_descendants()
    return 0 if ended is None else ended


def become(identity: list[str], command: list[str], libc: ctypes.CDLL) -> None:
    """Turn this forked child into `command`; never returns."""
    try:
        os.setsid()
        uid, gid, groups, directory = int(identity[0]), int(identity[1]), identity[2], identity[3]
        if os.geteuid() == 0:
            os.setgroups([int(group) for group in groups.split(",") if group])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir(directory)
        os.umask(0o077)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 4096)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        execute(command)
    except OSError as error:
        os.write(2, f"{command[0]}: cannot start: {error}\n".encode())
    finally:
        os._exit(127)


def execute(command: list[str]) -> None:
    """Replace this process by `command`, searching ``PATH`` as a shell would.

    `os.execvp` imports a module first, and the user we are by now may not be able to read it.
    """
    if "/" in command[0]:
        os.execv(command[0], command)
    for directory in os.environ.get("PATH", os.defpath).split(":"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.execv(f"{directory or '.'}/{command[0]}", command)
    raise FileNotFoundError(2, "no such program in PATH")


def wait(child: int, lifeline: "int | None", wake: int, limit: "float | None") -> "int | None":
    """Reap until `child` ends; ``None`` when `lifeline` closes or `limit` passes first."""
    deadline = None if limit is None else time.monotonic() + limit
    watched = [wake] if lifeline is None else [wake, lifeline]
    while True:
        status = reap(child)
        if status is not None:
            return status
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return None
        ready = select.select(watched, [], [], left)[0]
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if lifeline in ready:
            return None


def reap(child: int) -> "int | None":
    """Collect every process that has ended; return the exit code if `child` is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                found = code if code >= 0 else 128 - code
    return found


def kill_descendants() -> None:
    """Kill what is left below us; orphans move up to us, so our own children suffice."""
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline:
        for pid in children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def children() -> "list[int]":
    """Return the processes whose parent we are."""
    ours, found = str(os.getpid()), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                if file.read().rpartition(b")")[2].split()[1] == ours.encode():
                    found.append(int(name))
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
