"""Where a benchmark works: an unprivileged account, and a private directory on the tuned disk."""

import contextlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sealtune.benchmarks.confinement import Room
from sealtune.benchmarks.disk_watch import reserve_of
from sealtune.errors import BenchmarkFailedError, DiskSpaceError

MEBIBYTE = 1 << 20
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
TEMPORARY = ".tmp"
PREFIX = "sealtune-work-"


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
        reserve: What must stay free on its disk, since before anything was written [bytes, files].
    """

    path: Path
    account: Account
    reserve: tuple[int, ...] = ()

    @classmethod
    def create(
        cls, workdir: Path, name: str, account: Account, *, needed: int, on_disk: bool
    ) -> "Workplace":
        """Make ``workdir/sealtune-work-NAME-PID-XXXX`` for `account`; remove what dead runs left.

        Args:
            workdir: Made when missing; its parents must let `account` through.
            name: The benchmark's name.
            account: The owner.
            needed: Free space that it may take, beside the reserve [bytes].
            on_disk: Refuse a file system that lives in memory.

        Raises:
            BenchmarkFailedError: `workdir` is closed to `account`, or lives in memory.
            DiskSpaceError: Less than `needed` is free beside the reserve.
        """
        workdir = workdir.absolute()
        try:
            workdir.mkdir(mode=0o711, parents=True, exist_ok=True)
            _check_workdir(workdir, account, needed=needed, on_disk=on_disk)
            _remove_stale(workdir)
            reserve = reserve_of(str(workdir))
            path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-{os.getpid()}-", dir=workdir))
            place = cls(path, account, reserve)
            try:
                with _directory(path) as ours:
                    _give(ours, account)
                place.renew_temporary()
            except BaseException:
                for made in (place.temporary, path):  # empty, or not ours
                    with contextlib.suppress(OSError):
                        made.rmdir()
                raise
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
        """What a program of this benchmark may reach; `temporary` is there again if it is gone."""
        # An earlier program may have removed it, so that the next one sees the machine's.
        with contextlib.suppress(OSError):
            found = self.temporary.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == self.account.uid:
                return Room(self.path, self.temporary, self.reserve)
        self.renew_temporary()
        return Room(self.path, self.temporary, self.reserve)

    @property
    def is_used(self) -> bool:
        """Whether anything has been left in it."""
        with contextlib.suppress(OSError):
            found = {path.name for path in self.path.iterdir()}
            return found != {TEMPORARY} or any(self.temporary.iterdir())
        return True  # closed to its owner

    def renew_temporary(self) -> None:
        """Make `temporary` anew, empty."""
        delete(self.temporary)
        # The directory is the user's, who may put something else under our names at any time.
        with _directory(self.path) as ours:
            os.mkdir(TEMPORARY, 0o700, dir_fd=ours)
            with _directory(TEMPORARY, ours) as made:
                _give(made, self.account)

    def empty(self) -> None:
        """Delete everything in the directory; the benchmark may not run meanwhile."""
        for path in self.path.iterdir():
            delete(path)
        self.renew_temporary()

    def remove(self) -> None:
        """Delete the directory and everything in it."""
        delete(self.path)


@contextmanager
def _directory(path: Path | str, below: int | None = None) -> Iterator[int]:
    """Open a directory that is no link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.open(path, flags, dir_fd=below)
    try:
        yield opened
    finally:
        os.close(opened)


def _give(made: int, account: Account) -> None:
    """Give a directory that we have just made to `account`."""
    if os.geteuid() != 0:
        return
    found = os.fstat(made)
    if found.st_uid != 0 or found.st_mode & 0o777 != 0o700 or os.listdir(made):
        raise BenchmarkFailedError(
            "a new directory is not root's own and closed: the file system keeps no owner and "
            "mode (NFS with root_squash, vfat), or somebody has put another one in its place",
            fix="Choose a directory on a local disk (ext4, xfs, btrfs) with --workdir.",
        )
    os.fchown(made, account.uid, account.gid)


def delete(path: Path) -> None:
    """Delete `path`, whatever somebody has made of it: closed, or nested deeper than we can go."""
    with contextlib.suppress(OSError):
        path.unlink()
        return
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    remove = ["rm", "-rf", "--one-file-system"]
    # What is closed to its owner is open to root, who changes no mode by a name.
    opened = [["chmod", "-R", "u+rwX"], remove] if os.geteuid() != 0 else []
    for step in (remove, *opened):
        if path.exists():
            subprocess.run([*step, "--", str(path)], capture_output=True, check=False)


def _remove_stale(workdir: Path) -> None:
    """Remove the directories of those who were killed before they could."""
    for path in workdir.iterdir():
        # The person may keep other things here: a name of ours, closed to others, or it stays.
        # What is in it says nothing: whoever was killed may have been deleting it.
        owner = re.fullmatch(PREFIX + r"\w+-(\d+)-\w{8}", path.name)
        is_ours = owner and path.is_dir() and path.lstat().st_mode & 0o777 == 0o700
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
    reserve = reserve_of(str(workdir))[0]  # whoever takes of it is ended
    if free - reserve < needed:
        raise DiskSpaceError(
            f"{workdir}: the benchmark needs {needed // MEBIBYTE} MiB free, found "
            f"{free // MEBIBYTE} MiB, of which {reserve // MEBIBYTE} MiB must stay free"
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
