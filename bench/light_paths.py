"""How light the light paths are: ``--help`` beside typer, ``restore`` beside an empty Python.

``python -m bench.light_paths``: interleaved starts, medians, ratios. Claims: ``--help`` takes
at most twice ``import typer``, ``restore`` with nothing to do at most three times ``pass``.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 41
SCRIPT = str(Path(sys.executable).with_name("sealtune"))
COMMANDS = {
    "pass": [sys.executable, "-c", "pass"],
    "restore": [SCRIPT, "restore"],
    "import typer": [sys.executable, "-c", "import typer"],
    "--help": [SCRIPT, "--help"],
}
PAIRS = (("restore", "pass", 3.0), ("--help", "import typer", 2.0))


def main() -> int:
    """Print medians and ratios; return 1 when a claim does not hold."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(1000 * (time.perf_counter() - began))
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"{name:<14} median {middle:6.1f} ms   quartiles {low:.1f} to {high:.1f}")
    failed = 0
    for name, beside, most in PAIRS:
        ratios = [a / b for a, b in zip(times[name], times[beside], strict=True)]
        ratio = statistics.median(ratios)
        failed += ratio > most
        print(f"{name} / {beside}: {ratio:.2f} (claim: at most {most:g})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
