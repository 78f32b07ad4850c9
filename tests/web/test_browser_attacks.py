"""What a real browser can be made to do to a dashboard by somebody who was not let in."""

import http.server
import os
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from tests.web.browser_pages import launched

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOREIGN = "--host-resolver-rules=MAP evil.example 127.0.0.1"
"""What DNS rebinding achieves: a name of somebody else's that leads to our loopback."""


@pytest.fixture(scope="module")
def browser():
    with launched(FOREIGN) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The printed address of a dashboard beside a dry run that does not end by itself."""
    store = tmp_path_factory.mktemp("store") / "sessions.db"
    started = []

    def start(*arguments):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "sealtune", *arguments],
                env={**os.environ, "SEALTUNE_STORE": str(store)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        )
        return started[-1]

    asked = ("a write-heavy PostgreSQL database", "--dry-run", "--yes", "--no-memory")
    served = start("dashboard", "--port", "0")
    session = start("optimize", *asked, "--tactician", "random", "--trials", "3000")
    yield served.stdout.readline().split()[-1]
    alive = session.poll() is None
    for process in started:
        process.kill()
        process.communicate(timeout=60)
    assert alive, "somebody stopped the session"


@pytest.fixture
def person(browser, address):
    """The page of the person to whom the address was printed, with the session on it."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.locator("#stop").wait_for()
    yield page
    context.close()


@pytest.fixture
def stranger(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def evil():
    """The address of another site's page, whose form asks our dashboard to stop the session."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages["/"].encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield pages, f"http://evil.example:{server.server_port}/"
    server.shutdown()
    server.server_close()


def _origin(address):
    return f"http://{urlsplit(address).netloc}"


POST = """async ([url, headers, mode]) => {
  try {
    const answer = await fetch(url, {method: "POST", body: "{}", headers, mode,
                                     credentials: "include"});
    return answer.status;
  } catch (error) { return String(error); }
}"""


def test_without_the_token_nothing_is_shown(stranger, address):
    """Who knows only the port sees how to get in, and no word about the machine."""
    answer = stranger.goto(_origin(address))
    assert answer.status == 401
    assert "not open to you" in stranger.inner_text("body")
    assert stranger.goto(f"{_origin(address)}/api/sessions").status == 401
    wrong = stranger.goto(f"{_origin(address)}/?token=wrong")
    assert wrong.status == 401


def test_another_name_for_our_loopback_is_refused(stranger, address):
    """A foreign name that leads here is turned away, even with the right token."""
    port = urlsplit(address).port
    token = urlsplit(address).query
    answer = stranger.goto(f"http://evil.example:{port}/?{token}")
    assert answer.status == 421
    assert stranger.context.cookies() == []


def test_another_sites_form_and_script_stop_nothing(person, evil, address):
    """In the very browser that is logged in, another site's POST comes without its cookie."""
    pages, site = evil
    target = f"{_origin(address)}/api/sessions/last/stop"
    pages["/"] = f'<form method="post" action="{target}" enctype="text/plain"><button>x</button>'
    page = person.context.new_page()
    page.goto(site)
    with page.expect_response(target) as answered:
        page.locator("button").click()
    assert answered.value.status == 401
    page.goto(site)
    for headers, mode in (({"content-type": "application/json"}, "cors"), ({}, "no-cors")):
        assert "TypeError" in str(page.evaluate(POST, [target, headers, mode]))


def test_a_stolen_csrf_token_opens_nothing_for_another_login(person, stranger, address):
    """The token of one login is refused beside the cookie of another, and without one."""
    read = "async () => (await (await fetch('/api/self')).json()).csrf"
    stolen = person.evaluate(read)
    target = f"{_origin(address)}/api/sessions/last/stop"
    headers = {"content-type": "application/json", "x-csrf-token": stolen}
    stranger.goto(_origin(address))
    assert stranger.evaluate(POST, [target, headers, "cors"]) == 401
    stranger.goto(address)
    assert stranger.evaluate(read) != stolen
    assert stranger.evaluate(POST, [target, headers, "cors"]) == 403
    own = {**headers, "x-csrf-token": stranger.evaluate(read)}
    bad = f"{_origin(address)}/api/sessions/nosuch/stop"
    assert stranger.evaluate(POST, [bad, own, "cors"]) == 404  # its own token is a good one
