"""The page in a real browser: readable by everybody, quiet on the network, safe to press."""

import copy

import pytest
from tests.web.browser_pages import Pages, axe_findings, launched, recorded

pytestmark = pytest.mark.browser

SIZES = {"phone": (360, 800), "laptop": (1280, 800), "desk": (1920, 1080)}


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def snapshots(browser, tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("dry-run") / "sessions.db")


@pytest.fixture
def pages(snapshots):
    served = Pages(copy.deepcopy(snapshots))
    served.start()
    yield served
    served.stop()


@pytest.fixture
def tab(browser):
    """Return a function that opens a page of given size and theme; all are closed at the end."""
    contexts = []

    def open_tab(url, size="laptop", theme="light"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme
        )
        contexts.append(context)
        page = context.new_page()
        page.asked = []
        page.said = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(url)
        return page

    yield open_tab
    for context in contexts:
        context.close()


def expect(locator):
    from playwright.sync_api import expect as until

    until.set_options(timeout=30_000)  # two slow processors may take their time
    return until(locator)


def drawn(page):
    """Wait until a snapshot is on the page, charts included."""
    expect(page.locator("#curve canvas")).to_be_visible()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["confirm", "real"])
def test_axe_finds_nothing_serious(pages, tab, name, theme):
    """A running and a finished session have no serious accessibility fault in either theme."""
    page = drawn(tab(f"{pages.url}/session/{name}", theme=theme))
    if name == "real":
        page.locator("#apply").click()
        assert axe_findings(page) == []
        page.keyboard.press("Escape")
    for details in page.locator("main details").all():
        details.locator("summary").click()
    assert axe_findings(page) == []


@pytest.mark.parametrize("name", ["confirm", "real"])
def test_no_page_is_wider_than_its_window(pages, tab, name):
    """Nobody has to scroll sideways, from a phone to a big screen."""
    page = drawn(tab(f"{pages.url}/session/{name}", size="phone"))
    for details in page.locator("main details").all():
        details.locator("summary").click()
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        drawn(page)
        widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1] == width


@pytest.mark.parametrize("name", ["confirm", "real"])
def test_nothing_leaves_the_origin(pages, tab, name):
    """Every request goes to our own server, and the policy of the real server blocks nothing."""
    page = drawn(tab(f"{pages.url}/session/{name}"))
    page.locator("#theme").click()
    outside = [url for url in page.asked if not url.startswith((pages.url, "data:"))]
    assert outside == []
    assert page.said == []


def test_a_simulated_session_says_so(pages, tab):
    """The banner, the title and the list name a simulation; a real session has none of it."""
    page = drawn(tab(f"{pages.url}/session/done"))
    expect(page.locator("#simulated")).to_contain_text("SIMULATED")
    assert page.title().startswith("SIMULATED")
    page = drawn(tab(f"{pages.url}/session/real"))
    expect(page.locator("#simulated")).to_be_hidden()
    assert "SIMULATED" not in page.title()


def test_the_verdict_is_worded_as_in_the_terminal(pages, tab, snapshots):
    """The sentence of the result stands first, and nothing is called confirmed before it."""
    page = drawn(tab(f"{pages.url}/session/done"))
    expect(page.locator("#sentence")).to_have_text(snapshots["done"]["verdict"]["sentence"])
    page = drawn(tab(f"{pages.url}/session/confirm"))
    expect(page.locator("#verdict")).to_be_hidden()
    expect(page.locator("#curve-says")).to_contain_text("a guess: only fresh pairs decide")


@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_the_ends_of_a_narrow_interval_can_be_read(pages, tab, size):
    """No two labels of the interval lie on each other, however near its ends are."""
    verdict = pages.shown["done"]["verdict"]
    gain = {**verdict["gain"], "estimate": 4.0, "ci_low": 3.7, "ci_high": 4.2}
    pages.change("done", verdict={**verdict, "gain": gain})
    page = drawn(tab(f"{pages.url}/session/done", size))
    boxes = [label.bounding_box() for label in page.locator("#gain svg text").all()]
    apart = [
        one["x"] + one["width"] <= other["x"]
        or other["x"] + other["width"] <= one["x"]
        or abs(one["y"] - other["y"]) > 10
        for at, one in enumerate(boxes)
        for other in boxes[:at]
    ]
    assert len(boxes) >= 3
    assert all(apart)


def test_stopping_by_keyboard_alone(pages, tab):
    """Enter on the button asks first; Escape leaves the session alone; only the yes is sent."""
    page = drawn(tab(f"{pages.url}/session/confirm"))
    dialog = page.get_by_role("dialog", name="Stop this session and restore now?")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "stop":
            break
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Let it run")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#stop")).to_be_focused()
    assert pages.posted == []

    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    expect(dialog.get_by_role("button", name="Stop and restore now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#stop")).to_be_disabled()
    assert pages.posted == [("/api/sessions/confirm/stop", "the token", {})]


def test_applying_needs_the_typed_words(pages, tab):
    """The diff is shown, and nothing is sent until exactly the asked text stands there."""
    page = drawn(tab(f"{pages.url}/session/real"))
    page.locator("#apply").click()
    values = pages.shown["real"]["apply"]["values"]
    expect(page.locator("#apply-diff tbody tr")).to_have_count(len(values))
    expect(page.locator("#apply-notes")).to_contain_text("another file")
    button = page.locator("#apply-confirm")
    words = pages.shown["real"]["apply"]["confirmation"]
    page.keyboard.type(words[:-1])
    expect(button).to_be_disabled()
    page.keyboard.press("Enter")
    assert pages.posted == []
    page.keyboard.type(words[-1])
    expect(button).to_be_enabled()
    page.keyboard.press("Enter")
    expect(page.locator("#apply-says")).to_have_text("It was asked.")
    assert pages.posted == [("/api/sessions/real/apply", "the token", {"confirmation": words})]


def test_markup_from_a_model_stays_text(pages, tab):
    """What a model, a config or a benchmark wrote is shown letter by letter and never runs."""
    nasty = "<img src=x onerror=document.title='owned'><b>bold</b>"
    snapshot = copy.deepcopy(pages.shown["confirm"])
    snapshot["workload"] = snapshot["state_title"] = nasty
    snapshot["notices"] = [nasty]
    snapshot["notes"] = [{"at": None, "text": nasty}]
    for parameter in snapshot["parameters"]:
        parameter["why"] = nasty
    snapshot["runs"][-1] |= {"failure": nasty, "value": None}
    pages.change("confirm", **snapshot)
    page = drawn(tab(f"{pages.url}/session/confirm"))
    expect(page.locator("#title")).to_have_text(nasty)
    expect(page.locator("#notes li")).to_have_text(nasty)
    assert page.locator("main img, main b").count() == 0
    assert "owned" not in page.title().split(":")[0]
    assert page.said == []


def test_a_change_keeps_focus_and_nodes(pages, tab):
    """New values appear in the same nodes: focus stays, and what is open stays open."""
    page = drawn(tab(f"{pages.url}/session/confirm"))
    page.locator("#curve-details summary").click()
    page.locator("#curve-details summary").focus()
    page.evaluate("document.querySelector('#parameters tbody tr').marked = true")
    parameters = copy.deepcopy(pages.shown["confirm"]["parameters"])
    parameters[0]["now"] = "12345"
    pages.change("confirm", parameters=parameters, state="minimise", state_title="minimising")
    expect(page.locator("#parameters tbody tr").first).to_contain_text("12345")
    expect(page.locator("#announce")).to_have_text("minimising")
    expect(page.locator("#curve-details summary")).to_be_focused()
    expect(page.locator("#curve-table")).to_be_visible()
    assert page.evaluate("document.querySelector('#parameters tbody tr').marked") is True


def test_a_lost_connection_is_said(pages, tab):
    """When the server goes, the page says that it is not up to date, and keeps what it showed."""
    page = drawn(tab(f"{pages.url}/session/confirm"))
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#trouble")).to_be_hidden()
    pages.stop()
    expect(page.locator("#trouble")).to_contain_text("not up to date", use_inner_text=True)
    expect(page.locator("#connection")).to_contain_text("lost")
    expect(page.locator("#parameters")).to_be_visible()


def test_the_theme_is_remembered(pages, tab):
    """The button goes through auto, light and dark, and the choice survives a reload."""
    page = drawn(tab(f"{pages.url}/session/confirm", theme="light"))
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#theme")).to_have_text("Theme: dark")


def test_the_start_page_follows_the_last_session(pages, tab):
    """Without a session in the address the last one is shown, and the list leads to the others."""
    page = drawn(tab(pages.url))
    first = next(iter(pages.shown))
    expect(page.locator(f"#sessions a[href='/session/{first}']")).to_have_attribute(
        "aria-current", "page"
    )
    page.locator("#sessions a[href='/session/real']").click()
    expect(page.locator("#apply")).to_be_visible()


def test_a_session_that_has_only_begun_has_words_instead_of_blanks(pages, tab):
    """Every part of the page says what will be there as long as there is nothing."""
    empty = copy.deepcopy(pages.shown["confirm"])
    empty |= {"runs": [], "best": None, "confirmation": None, "state": "prepare", "plan": []}
    empty |= {
        "parameters": [],
        "facts": {},
        "notices": [],
        "metrics": {},
        "remaining_seconds": None,
    }
    empty["baseline"] = {"runs": [], "spread": None, "changes": []}
    pages.change("confirm", **empty)
    page = tab(f"{pages.url}/session/confirm")
    expect(page.locator("#curve-says")).to_have_text("Nothing has been measured yet.")
    for part in ("pairs", "parameters", "parallel", "importance", "system", "guard", "notes"):
        assert page.locator(f"#{part}-says").inner_text().strip()
    assert page.said == []


def test_failed_and_cut_short_trials_have_marks_of_their_own(pages, tab):
    """The key names the shapes that the curve uses, and only those."""
    page = drawn(tab(f"{pages.url}/session/confirm"))
    expect(page.locator("#curve-key")).not_to_contain_text("cut short")
    runs = copy.deepcopy(pages.shown["confirm"]["runs"])
    tried = [run for run in runs if run["phase"] == "search"]
    tried[1] |= {"value": None, "ratio": None, "failure": "it crashed"}
    tried[2]["cut_short"] = True
    pages.change("confirm", runs=runs)
    expect(page.locator("#curve-key")).to_contain_text("cut short")
    expect(page.locator("#curve-key")).to_contain_text("failed")
    expect(page.locator("#curve-says")).to_contain_text("1 cut short, 1 failed")
