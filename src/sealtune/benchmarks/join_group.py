"""A script that starts one command inside a control group. Standard library only.

Started by root as ``python -I -S join_group.py PROCS UID GID GROUPS DIRECTORY COMMAND...``: it
writes itself into the file PROCS, which only root may do, becomes the user, who can never get it
back, and turns into the command. Nothing of the command runs as root or outside the group.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Join, give up root, run the command; returns only by an error."""
    procs, uid, gid, groups, directory, *command = arguments
    with open(procs, "w") as file:
        file.write("0")
    os.setgroups([int(group) for group in groups.split(",") if group])
    os.setresgid(int(gid), int(gid), int(gid))
    os.setresuid(int(uid), int(uid), int(uid))
    # The kernel forgets this signal when the user changes.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Python ignores these at its start, and a program inherits that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(directory)
    os.execv(command[0], command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        raise SystemExit(f"error: cannot start in a memory group: {error}") from None
