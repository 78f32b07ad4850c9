"""Hostile sessions against the guard: ``python -m tests.guard.fuzz --inputs 100000``.

Each input is all that one session says before it hangs up: bytes, JSON, requests that are right
and requests that are nearly right. The guard's own server, rules, keeper and journal run on a
kernel in memory. What it may write is judged here from the catalogue's text, by nothing of the
guard's. With `--coverage` the inputs grow from the guard's coverage (atheris), else they are
made by hypothesis.
"""

import argparse
import binascii
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from sealtune.catalogue.limits import LIMITS
from sealtune.errors import BusyError, JournalError
from sealtune.guard import journal as journal_module
from sealtune.guard import server as server_module
from sealtune.guard.kernel import Places

MEMORY = 8 * 2**30
DISKS = ("vda", "dm-0")
NAMES = sorted(LIMITS)
PAIRS = {
    "/proc/sys/vm/dirty_ratio": "/proc/sys/vm/dirty_bytes",
    "/proc/sys/vm/dirty_background_ratio": "/proc/sys/vm/dirty_background_bytes",
}
PAIRS |= {right: left for left, right in PAIRS.items()}
CAME_WITH = {
    "none": {},
    "mq-deadline": {"read_expire": "500", "write_expire": "5000", "writes_starved": "2",
                    "fifo_batch": "16", "front_merges": "1", "async_depth": "256"},
    "kyber": {"read_lat_nsec": "2000000", "write_lat_nsec": "10000000"},
}  # fmt: skip
ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
MOST_READ = 4 << 20


class Violation(AssertionError):
    """The guard did what it must never do."""


class Catalogue:
    """What may be written, read from knobs.toml itself."""

    def __init__(self):
        text = Path(sys.modules["sealtune.catalogue"].__file__).with_name("knobs.toml")
        self.knobs = {}
        for knob in tomllib.loads(text.read_text("utf-8"))["knob"]:
            for disk in DISKS if "{dev}" in knob["path"] else ("",):
                self.knobs[knob["path"].replace("{dev}", disk)] = knob

    def allows(self, path, value, original):
        """Whether a session may have `value` written to `path`, which read `original` at first."""
        knob = self.knobs.get(path)
        if knob is None:
            return False
        if "choices" in knob:
            return value in knob["choices"]
        low, high = (self._number(knob[end], original) for end in ("low", "high"))
        known = [int(original)] if original and original.isdigit() else []
        return value.isascii() and min([low, *known]) <= int(value) <= max([high, *known])

    def _number(self, bound, original):
        if bound == "present":
            return int(original)
        if bound == "min(0.04*RAM/1024, 1048576)":
            return min(int(0.04 * MEMORY / 1024), 1048576)
        return int(bound)


class MemoryKernel:
    """Parameter files that behave like the kernel's; tells an oracle of every write."""

    def __init__(self, catalogue, refusing=()):
        self._catalogue, self._refusing = catalogue, set(refusing)
        self.files = {"/proc/sys/vm/dirty_bytes": "0", "/proc/sys/vm/dirty_background_bytes": "0"}
        self.files[ALLOWED] = "reno cubic"
        for path, knob in catalogue.knobs.items():
            if "/iosched/" not in path:
                usual = knob.get("default", "").split()
                first = knob["choices"][0] if "choices" in knob else "1"
                self.files[path] = " ".join(usual) if usual and usual[0].isdigit() else first
        self.files["/proc/sys/vm/min_free_kbytes"] = "67584"
        for disk in DISKS:
            self._switch(f"/sys/block/{disk}/queue/", "mq-deadline")
        self.files["/sys/block/vda/queue/iosched/read_expire"] = "100"  # somebody's own
        self.first = dict(self.files)
        self.writes, self.violations = 0, []

    def read(self, path):
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[path]

    def write(self, path, value):
        self.writes += 1
        original = self.first.get(path)
        # A file that a scheduler of ours brought along has no original: its own value is one.
        brought = original is None and self.files.get(path) == value
        if value != original and not brought and not self._catalogue.allows(path, value, original):
            # Told at the end: the guard answers whatever is raised here.
            self.violations.append(f"{value!r} written to {path}, which was {original!r}")
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        refused = path in self._refusing and value != original
        if refused or (path.endswith("bytes") and value == "0"):
            raise OSError(22, "Invalid argument")
        self._take(path, value)

    def _take(self, path, value):
        if path.endswith("/scheduler"):
            if value not in CAME_WITH:
                raise OSError(22, "Invalid argument")
            if value != self.files[path]:
                self._switch(path.removesuffix("scheduler"), value)
        if path in PAIRS and value != self.files[path]:
            self.files[PAIRS[path]] = "0"
        if path == "/sys/kernel/mm/transparent_hugepage/enabled" and value != "never":
            least = self.files["/proc/sys/vm/min_free_kbytes"]
            self.files["/proc/sys/vm/min_free_kbytes"] = str(max(int(least), 90112))
        if path.endswith("/tcp_congestion_control") and value not in self.files[ALLOWED].split():
            self.files[ALLOWED] += f" {value}"
        self.files[path] = value

    def _switch(self, queue, scheduler):
        for path in [path for path in self.files if path.startswith(queue + "iosched/")]:
            del self.files[path]
        self.files[queue + "scheduler"] = scheduler
        self.files[queue + "nr_requests"] = "256"
        self.files |= {f"{queue}iosched/{k}": value for k, value in CAME_WITH[scheduler].items()}

    def has_disk(self, device):
        return device in DISKS

    def boot_id(self):
        return "11111111-2222"

    def memory_bytes(self):
        return MEMORY


class _NoSync:
    """Stands in for `os` in the journal: syncing costs much and shows nothing here."""

    def __getattr__(self, name):
        return getattr(os, name)

    def fsync(self, descriptor):
        pass


class Arena:
    """Runs sessions one after the other, each against a fresh guard and kernel."""

    def __init__(self, folder):
        self._folder, self._stack, self.catalogue = folder, ExitStack(), Catalogue()
        self._journals, self._is_locked = [], False
        self.seen = Counter()
        arena = self

        class Journal(journal_module.Journal):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                arena._journals.append(self)

        def lock(places, wait_seconds=0.0):
            if arena._is_locked:
                raise BusyError("a sealtune guard is at work")
            arena._is_locked = True
            return -1

        for module, name, value in (
            (journal_module, "os", _NoSync()),
            (server_module, "Journal", Journal),
            (server_module, "take_lock", lock),
            (server_module, "Kernel", lambda root: self.kernel),
        ):
            self._stack.enter_context(mock.patch.object(module, name, value))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def play(self, said, refusing=()):
        """Be a session that says `said` and hangs up; raise `Violation` if the guard errs."""
        self.kernel, self._is_locked = MemoryKernel(self.catalogue, refusing), False
        places = Places("/nowhere", "", os.path.join(self._folder, "journal"))
        source, sink = os.memfd_create("said"), os.memfd_create("answers")
        try:
            os.write(source, said)
            os.lseek(source, 0, os.SEEK_SET)
            server = server_module.Server(places, LIMITS, source, sink, may_keep=False)
            server.run()
            read = os.lseek(source, 0, os.SEEK_CUR)
            answers = os.pread(sink, 1 << 28, 0)
        finally:
            os.close(source)
            os.close(sink)
            for journal in self._journals:
                journal.close()
            self._journals.clear()
        self._judge(said, answers, read)

    def replay(self, data):
        """Read `data` as a journal, as it is and with checksums that are right."""
        lines = [b"%08x %s" % (binascii.crc32(line), line) for line in data.split(b"\n")]
        for journal in (data, b"\n".join(lines) + b"\n"):
            try:
                state, _ = journal_module.replay(journal, "journal")
            except JournalError:
                self.seen["journals refused"] += 1
                continue
            self.seen["journals read"] += 1
            for path in state.held:
                below = os.path.normpath(path).startswith(("/proc/sys", "/sys"))
                if not below or not path.startswith(("/proc/sys/", "/sys/")):
                    raise Violation(f"a journal would restore {path!r}")

    def _judge(self, said, answers, read):
        if self.kernel.violations:
            raise Violation("; ".join(self.kernel.violations))
        if self.kernel.files != self.kernel.first:
            kept = set(self.kernel.files.items()) ^ set(self.kernel.first.items())
            raise Violation(f"left changed: {sorted(kept)}")
        if os.path.getsize(os.path.join(self._folder, "journal")) if self._is_locked else 0:
            raise Violation("the journal is not empty")
        if read > MOST_READ:
            raise Violation(f"{read} bytes read of a session that ends no line")
        given = [json.loads(line) for line in answers.splitlines()]
        asked = sum(1 for line in said[:read].split(b"\n")[:-1] if line)
        if len(given) > asked or (len(given) < asked and b"close" not in said):
            raise Violation(f"{len(given)} answers to {asked} requests")
        self.seen["inputs"] += 1
        self.seen["requests"] += asked
        self.seen["writes"] += self.kernel.writes
        for answer in given:
            self.seen["answered" if "result" in answer else f"refused, {answer['error']}"] += 1


def report(arena, seconds, how):
    seen = arena.seen
    print(f"{how}: {seen['inputs']} sessions, {seen['requests']} requests in {seconds:.0f} s")
    for name, count in sorted(seen.items()):
        if name not in ("inputs", "requests"):
            print(f"  {name:<32} {count}")
    print("  violations                       0")


def main():
    """Run as many inputs as asked for; ends with 1 at the first violation, which it prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--coverage", action="store_true", help="let atheris choose the inputs")
    wanted = parser.parse_args()
    if wanted.coverage:
        return _by_coverage(wanted.inputs, wanted.seed)
    from tests.guard.sessions import run_generated

    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Arena(folder) as arena:
        run_generated(arena, wanted.inputs, wanted.seed)
        report(arena, time.monotonic() - begin, "hypothesis")
    return 0


def _by_coverage(inputs, seed):
    """Let atheris drive, in a process of its own: it never returns."""
    program = "from tests.guard.sessions import run_covered; run_covered(%d)"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", program % inputs, folder]
        command += [
            f"-runs={inputs}",
            f"-seed={seed}",
            f"-artifact_prefix={folder}/",
            "-max_len=4096",
            "-len_control=0",
            "-verbosity=0",
        ]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
