"""How much memory the guard and its watcher hold, and how long their code is.

As root: ``python -m tests.kernel.guard_figures``. The memory is that of a live guard that has read
every parameter of this machine, before and after many batches. Lines are of code: no blank ones,
no comments, no docstrings. Exit code 1 when one of the two holds more than 24 MB.
"""

import ast
import io
import os
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

from sealtune.guard import Guard
from sealtune.guard import server as server_module

LIMIT_KILOBYTES = 24_000
PARTS = {
    "restoring": ("journal", "kernel", "privileges", "report", "undo", "watcher"),
    "writing": ("keeper", "rules", "bounds"),
    "serving": ("server", "watch", "__main__"),
    "shared": ("errors", "__init__"),
}
_LOADED = (
    "import sys; sys.path.insert(0, {source!r}); import sealtune.guard.server\n"
    "print('\\n'.join(m.__file__ for n, m in sys.modules.items() if n.startswith('sealtune')))"
)
_EMPTY = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


class Memory(NamedTuple):
    """What one process holds."""

    process: str
    resident_kilobytes: int
    locked_kilobytes: int


class Module(NamedTuple):
    """How long one module is."""

    path: str
    part: str
    code: int
    lines: int


def memory(process: int) -> dict[str, int]:
    """Return the sizes in kB that the kernel tells of `process`."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}


def watcher_of(guard: int) -> int:
    """Return the watcher of `guard`, 0 when there is none now."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            comm, rest = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == guard and "sealtune-watch" in comm and state != "Z":
            return int(name)
    return 0


def measure(batches: int) -> list[Memory]:
    """Return what guard and watcher hold before and after so many batches."""
    with Guard.start() as guard:
        rows = _both(guard.pid, "at the start")
        for number in range(batches):
            guard.apply({"vm.swappiness": 20 + number % 50, "vm.vfs_cache_pressure": 90})
        return rows + _both(guard.pid, f"after {batches} batches")


def _both(guard: int, when: str) -> list[Memory]:
    sizes = {"guard": memory(guard), "watcher": memory(watcher_of(guard))}
    return [Memory(f"{who} {when}", s["VmRSS"], s["VmLck"]) for who, s in sizes.items()]


def modules() -> list[Module]:
    """Return the length of every module that the guard's process loads, and of its `__main__`."""
    source = str(Path(server_module.__file__).parents[2])
    command = [sys.executable, "-I", "-S", "-c", _LOADED.format(source=source)]
    loaded = subprocess.check_output(command, text=True).split()
    loaded.append(str(Path(server_module.__file__).with_name("__main__.py")))
    rows = []
    for path in loaded:
        text, name = Path(path).read_text(), Path(path).stem
        part = next((part for part, names in PARTS.items() if name in names), "data")
        short = path.removeprefix(source).lstrip("/")
        rows.append(Module(short, part, _code_lines(text), text.count("\n")))
    return rows


def _code_lines(text: str) -> int:
    strings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            strings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _EMPTY:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - strings)


def main() -> None:
    """Print both tables; exit 1 when too much memory is held."""
    rows = measure(batches=1000)
    for row in rows:
        print(f"{row.process:<28} resident {row[1]:>6} kB  locked {row[2]:>6} kB")
    found = modules()
    for part in (*PARTS, "data"):
        for module in (module for module in found if module.part == part):
            print(f"{part:<10} {module.path:<34} {module.code:>5} of {module.lines:>4} lines")
        print(f"{part:<10} {'':<34} {sum(m.code for m in found if m.part == part):>5}")
    print(f"all but data {sum(m.code for m in found if m.part != 'data'):>38}")
    sys.exit(any(row.resident_kilobytes > LIMIT_KILOBYTES for row in rows))


if __name__ == "__main__":
    main()
