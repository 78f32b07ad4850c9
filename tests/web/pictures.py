"""Take the documentation's pictures of dashboard and report from a real session on this kernel.

As root, on a quiet machine: ``python -m tests.web.pictures docs/img``. Runs one session
of six minutes, and looks at it in its search and after its verdict, at three widths in both
themes, and once at the whole page; then at its report, offline. With ``--dry-run`` the session is
simulated, and every picture says so.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.web.browser_pages import launched

WORKLOAD = "low latency redis cache, one client at a time"
SIZES = ((360, 740), (1280, 900), (1920, 1080))
THEMES = ("light", "dark")
LONGEST_SECONDS = 900.0


def take(browser: Any, address: str, folder: Path, state: str) -> None:
    """Write a picture for each size and theme; the page is entered anew for each."""
    for width, height in SIZES:
        for theme in THEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme
            )
            page = context.new_page()
            page.goto(address)
            page.locator("#title").filter(has_not_text="No session").wait_for()
            page.wait_for_timeout(1500)  # the charts have been drawn
            page.screenshot(path=folder / f"dashboard-{state}-{width}-{theme}.png")
            context.close()


def take_whole(browser: Any, address: str, target: Path) -> None:
    """Write a picture of all that one scrolls through."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page.goto(address)
    page.locator("#title").filter(has_not_text="No session").wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=target, full_page=True)
    page.close()


def take_report(browser: Any, file: Path, folder: Path) -> None:
    """Write a picture of the report, opened without any network."""
    context = browser.new_context(viewport={"width": 1000, "height": 1560}, offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    page.screenshot(path=folder / "report-light.png")
    context.close()


def main() -> int:
    """Run a session and picture it; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workload", default=WORKLOAD)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--minutes", default="6")
    chosen = parser.parse_args()
    asked = [chosen.workload, "--minutes", chosen.minutes, "--yes", "--no-apply", "--no-memory"]
    asked += ["--dry-run"] if chosen.dry_run else []
    with tempfile.TemporaryDirectory() as place, launched() as browser:
        environment = {**os.environ, "SEALTUNE_STORE": str(Path(place) / "sessions.db")}
        program = [sys.executable, "-m", "sealtune"]
        served = subprocess.Popen(
            [*program, "dashboard", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert served.stdout is not None
        address = served.stdout.readline().split()[-1]
        session = subprocess.Popen([*program, "optimize", *asked], env=environment)
        try:
            watcher = browser.new_page()
            watcher.goto(address)
            trials = watcher.locator("#curve-says").filter(has_text=re.compile(r"\d\d trials"))
            while not trials.count():
                if session.poll() is not None:
                    return session.returncode  # refused, or over too soon to be looked at
                watcher.wait_for_timeout(1000)
            watcher.close()  # nobody looks while the gain is confirmed
            take(browser, address, chosen.folder, "running")
            code = session.wait(LONGEST_SECONDS)
            time.sleep(1.0)
            take(browser, address, chosen.folder, "finished")
            take_whole(browser, address, chosen.folder / "dashboard-whole.png")
            report = Path(place) / "report.html"
            subprocess.run(
                [*program, "report", "last", "--html", str(report)], env=environment, check=True
            )
            take_report(browser, report, chosen.folder)
            return code
        finally:
            for process in (session, served):
                process.terminate()
                process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
