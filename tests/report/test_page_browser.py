"""The HTML report in a real browser, offline: readable by everybody, quiet on the network."""

import pytest
from tests.report.example import result, runs, session
from tests.web.browser_pages import axe_findings, launched

from sealtune.report.page import report_page

pytestmark = pytest.mark.browser

PHONE, DESK = 360, 1280


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    long = "a_parameter_with_a_very_long_name/" * 3
    stored = result(knobs=[{**result()["knobs"][0], "name": long}, *result()["knobs"]])
    path.write_text(report_page(session(result=stored), runs(), version="1"), "utf-8")
    return path


@pytest.fixture
def tab(browser):
    """Return a function that opens a page; what it asked for and complained of is kept."""
    contexts = []

    def open_tab(file, width=DESK, theme="light", **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said, page.stopped = [], [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("requestfailed", lambda request: page.stopped.append(request.failure))
        page.on("console", lambda message: page.said.append(message.text))
        page.goto(file.as_uri())
        return page

    yield open_tab
    for context in contexts:
        context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everybody_can_read_it(tab, file, width, theme):
    """
    axe-core finds nothing serious, and nothing has to be scrolled sideways.
    """
    page = tab(file, width, theme, bypass_csp=True)  # axe is a script: the policy forbids it
    assert [] == axe_findings(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_asks_for_nothing_and_its_own_style_is_allowed(tab, file):
    """
    One request, the file itself; the policy blocks nothing that belongs to the page.
    """
    page = tab(file)
    assert [file.as_uri()] == page.asked
    assert [] == page.said
    assert "rgb(255, 255, 255)" == page.evaluate(BACKGROUND)


BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def test_the_policy_stops_a_script_that_came_in_all_the_same(tab, file, tmp_path):
    """
    Escaping is the first wall and the policy the second: even unescaped markup runs nothing.
    """
    broken = tmp_path / "broken.html"
    hole = "<script>document.title = 'run'</script><img src='https://example.invalid/x'>"
    broken.write_text(file.read_text("utf-8").replace("</main>", f"{hole}</main>"), "utf-8")
    page = tab(broken)
    assert "run" != page.title()
    assert ["csp"] == page.stopped


def test_each_chart_is_drawn_once_for_the_width_at_hand(tab, file):
    """
    A telephone gets the narrow drawing, a desk and paper the wide one.
    """
    page = tab(file, PHONE)
    assert page.locator("svg.narrow").first.is_visible()
    assert not page.locator("svg.wide").first.is_visible()
    page.emulate_media(media="print")
    assert page.locator("svg.wide").first.is_visible()
    assert not page.locator("svg.narrow").first.is_visible()


def test_paper_is_white_also_for_who_likes_it_dark(tab, file):
    """
    Printing from a dark screen spares the ink.
    """
    page = tab(file, theme="dark")
    assert "rgb(255, 255, 255)" != page.evaluate(BACKGROUND)
    page.emulate_media(media="print")
    assert "rgb(255, 255, 255)" == page.evaluate(BACKGROUND)
