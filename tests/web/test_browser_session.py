"""The real server beside a session in a process of its own, seen by a real browser.

Simulated sessions, and real ones on this kernel.
"""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from tests.kernel.chaos import machine
from tests.web.browser_pages import launched

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def sealtune(tmp_path):
    """Return a function that starts the program with a store of the test's own."""
    environment = {**os.environ, "SEALTUNE_STORE": str(tmp_path / "sessions.db")}
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "sealtune", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


@pytest.fixture
def page(browser, sealtune):
    """The page of a dashboard that has no session yet, entered by the printed address."""
    served = sealtune("dashboard", "--port", "0")
    address = served.stdout.readline().split()[-1]
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(address)
    yield page
    context.close()


def expect(locator):
    from playwright.sync_api import expect as until

    until.set_options(timeout=PATIENCE_MS)
    return until(locator)


def _optimize(sealtune, trials):
    asked = ("a write-heavy PostgreSQL database", "--dry-run", "--yes", "--no-memory")
    return sealtune("optimize", *asked, "--tactician", "random", "--trials", trials, "--seed", "3")


def test_a_session_is_followed_from_its_start_to_its_verdict(page, sealtune):
    """A page that is open before the session shows it by itself, step by step, up to the end."""
    assert "token" not in page.url
    expect(page.locator("#title")).to_have_text("No session yet")
    session = _optimize(sealtune, "40")
    expect(page.locator("#title")).to_have_text("a write-heavy PostgreSQL database")
    expect(page.locator("#simulated")).to_be_visible()
    expect(page.locator("#curve-says")).to_contain_text("trials beside")
    expect(page.locator("#verdict")).to_be_visible()
    printed = " ".join(session.communicate(timeout=60)[0].split())
    assert " ".join(page.locator("#sentence").inner_text().split()) in printed
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#sessions a[aria-current=page]")).to_have_count(1)
    assert page.said == []


def test_stop_ends_the_session_and_says_so(page, sealtune):
    """The button, pressed and confirmed, interrupts the session; the page shows its end."""
    session = _optimize(sealtune, "2000")
    expect(page.locator("#curve-says")).to_contain_text("beside")
    page.locator("#stop").click()
    page.locator("#stop-confirm").click()
    expect(page.locator("#sentence")).to_contain_text("Interrupted")
    assert session.wait(timeout=60) == 130
    expect(page.locator("#stop")).to_be_hidden()


def on_kernel(test):
    """Mark a test that tunes this kernel for a real server."""
    test = pytest.mark.skipif(os.geteuid() != 0, reason="tuning the kernel needs root")(test)
    missing = shutil.which("redis-server") is None
    test = pytest.mark.skipif(missing, reason="needs redis-server")(test)
    return pytest.mark.kernel(pytest.mark.server(test))


def _tune(sealtune, trials):
    """Start a real session on this kernel."""
    asked = ("low latency redis cache, one client at a time", "--yes", "--no-apply", "--no-memory")
    quick = ("--tactician", "random", "--run-seconds", "1", "--seed", "1")
    return sealtune("optimize", *asked, *quick, "--trials", trials)


class Kernel:
    """Every file that the guard may write: as it was before, or not."""

    def __init__(self):
        self.paths = machine.files()
        self.before = machine.look(self.paths)

    def is_as_before(self):
        return machine.look(self.paths) == self.before


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    assert kernel.is_as_before()


@on_kernel
def test_a_real_session_is_followed_to_its_verdict(page, sealtune, kernel):
    """Values are seen to change on this kernel, and the page ends with the terminal's verdict."""
    session = _tune(sealtune, "6")
    expect(page.locator("#parameters-says")).to_have_text(
        re.compile(r"[1-9]\d* of \d+ differ on this kernel now")
    )
    assert not kernel.is_as_before()
    expect(page.locator("#simulated")).to_be_hidden()
    expect(page.locator("#guard tbody tr").first).to_be_visible()
    expect(page.locator("#verdict")).to_be_visible()
    printed = " ".join(session.communicate(timeout=60)[0].split())
    assert " ".join(page.locator("#sentence").inner_text().split()) in printed
    expect(page.locator("#parameters-says")).to_contain_text("None differs on this kernel")
    assert page.said == []


@on_kernel
def test_stop_puts_a_real_kernel_back(page, sealtune, kernel):
    """Stop, pressed while values are changed, ends the run with every parameter as it was."""
    session = _tune(sealtune, "200")
    expect(page.locator("#parameters-says")).to_have_text(
        re.compile(r"[1-9]\d* of \d+ differ on this kernel now")
    )
    page.locator("#stop").click()
    page.locator("#stop-confirm").click()
    assert session.wait(timeout=60) == 130
    assert kernel.is_as_before()
    expect(page.locator("#sentence")).to_contain_text("Interrupted")
    expect(page.locator("#parameters-says")).to_contain_text("None differs on this kernel")
