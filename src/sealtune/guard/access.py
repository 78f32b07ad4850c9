"""Which way this user gets a guard, and whether there is one.

Root starts a guard of its own: a unit of systemd where that is the first process, else a child.
Anybody else goes to the service when there is one, and else through ``sudo -n``; both lend the
machine and give no values away: everything comes back.
"""

import os
import subprocess
import sys
from contextlib import suppress

from sealtune.errors import GuardError, NotRootError
from sealtune.guard import transient
from sealtune.guard.link import SERVICE_SOCKET, WAYS, Link, Process, Service

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


def connect() -> Link:
    """Return a line to a guard of this machine.

    Raises:
        NotRootError: Not root, the service is closed to this user, and there is no sudo.
        GuardError: The process could not be started.
    """
    command = guard_command()
    if command[0] != "sudo":
        if not transient.obstacle():
            with suppress(OSError, GuardError):  # `sealtune doctor` tells why not
                return transient.Unit(command)
        return Process(command)
    if os.path.exists(SERVICE_SOCKET):
        with suppress(OSError):  # stopped, or not for this user: sudo is the other way
            return Service()
    try:
        return Process(command)
    except FileNotFoundError as error:
        raise NotRootError("not root, and sudo is not installed", fix=WAYS) from error


def guard_command() -> list[str]:
    """Return the command that starts a guard for this user; a sudoers line pins it as it is."""
    command = [sys.executable, "-I", "-S", PROGRAM]
    return command if os.geteuid() == 0 else ["sudo", "-n", *command, "lend"]


def check_access() -> str:
    """Return the way by which this user may have a guard: ``root``, ``the service`` or ``sudo``.

    Starts none.

    Raises:
        NotRootError: The service is closed to this user, or not there, and sudo asks for a
            password, or does not know the command.
    """
    if os.geteuid() == 0:
        return "root"
    reasons = []
    if os.path.exists(SERVICE_SOCKET):
        try:
            Service().end()
        except PermissionError:
            reasons.append(f"{SERVICE_SOCKET} is for the group of the service only")
        except OSError as error:
            reasons.append(f"{SERVICE_SOCKET}: {error.strerror}")
        else:
            return "the service"
    sudo, refuse, *command = guard_command()
    try:
        done = subprocess.run([sudo, refuse, "-l", *command], capture_output=True)
    except OSError:
        reasons.append("sudo is not installed")
    else:
        if done.returncode == 0:
            return "sudo"
        reasons.append("sudo does not let this user start the guard without a password")
    because = "; ".join(reasons)
    raise NotRootError(f"tuning writes kernel parameters, as root: {because}", fix=WAYS)
