"""Where a benchmark works: an unprivileged account, and a private directory on the tuned disk."""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sealtune.benchmarks.confinement import Room
from sealtune.errors import BenchmarkFailedError, DiskSpaceError

MEBIBYTE = 1 << 20
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
TEMPORARY = ".tmp"
PREFIX = "sealtune-"


@dataclass(frozen=True, slots=True)
class Account:
    """A user that benchmarks run as.

    Attributes:
        name: Login name.
        uid: User id.
        gid: Primary group id.
        groups: Every group id, the primary one included.
        home: Home directory.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    def may_enter(self, directory: Path) -> bool:
        """Whether this user can pass through `directory` and every one above it."""
        return all(self._has(step, 0o111) for step in (directory, *directory.parents))

    def may_run(self, program: Path) -> bool:
        """Whether this user can start `program`."""
        return program.is_file() and self.may_enter(program.parent) and self._has(program, 0o111)

    def _has(self, path: Path, bits: int) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        if self.uid == 0:
            return True
        if found.st_uid == self.uid:
            return bool(found.st_mode & bits & 0o700)
        if found.st_gid in self.groups:
            return bool(found.st_mode & bits & 0o070)
        return bool(found.st_mode & bits & 0o007)


def choose_account(names: Sequence[str] = ()) -> Account:
    """Return ourselves, or for root the first existing user of `names`, ``nobody`` at last.

    Raises:
        BenchmarkFailedError: We are root and none of them exists.
    """
    if os.geteuid() != 0:
        return _account(pwd.getpwuid(os.geteuid()))
    for name in (*names, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return _account(entry)
    wanted = ", ".join((*names, "nobody"))
    raise BenchmarkFailedError(f"benchmarks never run as root, and none of {wanted} exists here")


def _account(entry: pwd.struct_passwd) -> Account:
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A private directory of one benchmark; `remove` takes everything in it along.

    Attributes:
        path: The directory, mode 0700, owned by `account`.
        account: Who works there.
    """

    path: Path
    account: Account

    @classmethod
    def create(
        cls, workdir: Path, name: str, account: Account, *, needed: int, on_disk: bool
    ) -> "Workplace":
        """Make ``workdir/sealtune-name-PID-XXXX`` for `account`; remove what killed runs left.

        Args:
            workdir: Made when missing; its parents must let `account` through.
            name: The benchmark's name.
            account: The owner.
            needed: Free space that must be there [bytes].
            on_disk: Refuse a file system that lives in memory.

        Raises:
            BenchmarkFailedError: `workdir` is closed to `account`, or lives in memory.
            DiskSpaceError: Less than `needed` is free.
        """
        workdir = workdir.absolute()
        try:
            workdir.mkdir(mode=0o711, parents=True, exist_ok=True)
            _check_workdir(workdir, account, needed=needed, on_disk=on_disk)
            _remove_stale(workdir)
            path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-{os.getpid()}-", dir=workdir))
            if os.geteuid() == 0:
                os.chown(path, account.uid, account.gid)
            place = cls(path, account)
            place.renew_temporary()
        except OSError as error:
            raise BenchmarkFailedError(
                f"cannot work in {workdir}: {error.strerror or error}",
                fix="Name a directory on the disk that is tuned, which can be made or written, "
                "with --workdir.",
            ) from error
        return place

    @property
    def temporary(self) -> Path:
        """Where programs put temporary files; what they see as /tmp, where that is possible."""
        return self.path / TEMPORARY

    @property
    def room(self) -> Room:
        """What a program of this benchmark may reach."""
        return Room(self.path, self.temporary)

    def renew_temporary(self) -> None:
        """Make `temporary` anew, empty."""
        delete(self.temporary)
        self.temporary.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.temporary, self.account.uid, self.account.gid, follow_symlinks=False)

    def empty(self) -> None:
        """Delete everything in the directory; the benchmark may not run meanwhile."""
        for path in self.path.iterdir():
            delete(path)
        self.renew_temporary()

    def remove(self) -> None:
        """Delete the directory and everything in it."""
        delete(self.path)


def delete(path: Path) -> None:
    """Delete `path`, whatever somebody has made of it: closed, or nested deeper than we can go."""
    with contextlib.suppress(OSError):
        path.unlink()
        return
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    remove = ["rm", "-rf", "--one-file-system"]
    for step in (remove, ["chmod", "-R", "u+rwX"], remove):
        if path.exists():
            subprocess.run([*step, "--", str(path)], capture_output=True, check=False)


def _remove_stale(workdir: Path) -> None:
    """Remove the directories of those who were killed before they could."""
    for path in workdir.iterdir():
        # The person may keep other things here: a name of ours, or it stays.
        owner = re.fullmatch(PREFIX + r"\w+-(\d+)-\w{8}", path.name)
        # Like ours it is closed to others, and has what ours are made with.
        is_ours = owner and (path / TEMPORARY).is_dir() and path.stat().st_mode & 0o777 == 0o700
        if owner and is_ours and not os.path.exists(f"/proc/{owner.group(1)}"):
            delete(path)


def _check_workdir(workdir: Path, account: Account, *, needed: int, on_disk: bool) -> None:
    for step in (workdir, *workdir.parents):
        if not account.may_enter(step):
            closed = next(p for p in (*reversed(step.parents), step) if not account.may_enter(p))
            raise BenchmarkFailedError(
                f"{closed} is closed to the user {account.name}, who runs the benchmark",
                fix=f"chmod o+x {closed}, or choose another place with --workdir.",
            )
    if on_disk and (kind := file_system(workdir)) in IN_MEMORY:
        raise BenchmarkFailedError(
            f"{workdir} lies in memory ({kind}); the benchmark must touch the disk being tuned",
            fix="Choose a directory on the disk with --workdir.",
        )
    free = shutil.disk_usage(workdir).free
    if free < needed:
        raise DiskSpaceError(
            f"{workdir}: the benchmark needs {needed // MEBIBYTE} MiB free, "
            f"found {free // MEBIBYTE} MiB"
        )


def file_system(path: Path) -> str:
    """Return the file system type that holds `path`, such as ``ext4``; ``""`` when unknown."""
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    resolved = path.resolve()
    for line in lines:
        fields, _, rest = line.partition(" - ")
        mount = fields.split()[4].replace("\\040", " ")
        # A later mount hides an earlier one at the same place.
        if resolved.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, rest.split()[0]
    return kind
