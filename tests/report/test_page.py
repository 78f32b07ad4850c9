"""The HTML report: self-contained, escaped, honest, and with all that it promises."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from tests.report.example import HOSTILE, knob, result, run, runs, session, tried

from sealtune.report.page import report_page as written


def report_page(row, rows, **options) -> str:
    return written(row, rows, version="9.8.7", **options)


VOID = {"meta", "br", "wbr"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; fails where an element is not closed properly."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def values(self, wanted: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == wanted]


def shown(page: str) -> str:
    return " ".join(" ".join(Outline(page).text).split())


@pytest.fixture(scope="module")
def page():
    return report_page(session(), runs(), now=0.0)


def test_everything_promised_is_on_the_page(page):
    """
    Verdict with interval, unit and direction, pairs, parameters, failures, steps, version, date.
    """
    text = shown(page)
    for part in (
        "Improved: requests per second +10.0 % [+7.0 %, +13.0 %]", "1/s", "higher is better",
        "95% interval +7.0 % to +13.0 %", "timed out", "0..100", "put back", "as found",
        "80 % [60, 90]", "printed nothing", "cut short", "sealtune apply 20261122-0344-28",
        "sealtune revert", "sealtune optimize 'redis cache' --seed 13", "Linux 6.1.0",
        "The machine was busy.", "1970-01-01 00:00 UTC", "Written by sealtune 9.8.7",
    ):  # fmt: skip
        assert part in text, part


def test_the_verdict_comes_first(page):
    """
    The one heading of the first level is the sentence, before any section.
    """
    outline = Outline(page)
    assert 1 == outline.tags.count("h1")
    assert outline.tags.index("h1") < outline.tags.index("h2")
    assert "Confirmed improvement +10.0 %" in re.search("<title>(.*)</title>", page)[1]


def test_nothing_is_loaded_and_nothing_runs(page):
    """
    No script, no address of another file anywhere, and a policy that forbids them all the same.
    """
    outline = Outline(page)
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(outline.tags)
    assert not [name for _, name, _ in outline.attributes if name.startswith("on")]
    assert not {"src", "href", "style", "action"} & {name for _, name, _ in outline.attributes}
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]
    assert not re.search(r"url\(|@import|http", style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [value for value in outline.values("content") if "default-src" in value]
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_text_of_others_is_text():
    """
    Markup in every field that a workload, a benchmark or a model may have written stays text, and
    characters that steer a reader are gone.
    """
    stored = result(
        sentence=HOSTILE, workload_name=HOSTILE, notes=[HOSTILE], guards=[HOSTILE],
        command=HOSTILE, knobs=[knob(HOSTILE, **dict.fromkeys(
            ("original", "best", "effect", "why", "trade_off"), HOSTILE))],
        facts={"kernel": HOSTILE, "cpu_model": HOSTILE, "cpus": 2},
        metric={"name": HOSTILE, "unit": HOSTILE, "direction": "maximize"},
        pairs=[{"order": HOSTILE, "baseline": 1.0, "candidate": None, "ratio": None,
                "failure": HOSTILE}],
        importance=[{"param": HOSTILE, "share": 0.5, "low": 0.1, "high": 0.9, "told": True,
                     "most_important_probability": 0.9, "best": HOSTILE}],
        checks={**result()["checks"], "reason": HOSTILE},
    )  # fmt: skip
    row = session(
        id=HOSTILE, workload=HOSTILE, result=stored, config={"benchmark_command": HOSTILE}
    )
    broken = run("search", 8, None, {HOSTILE: HOSTILE}, failure=HOSTILE)
    page = report_page(row, [*runs(), broken])
    outline = Outline(page)
    assert "script" not in outline.tags
    assert "a" not in outline.tags
    assert "<script>alert(1)</script>" in " ".join(outline.text)
    assert not [sign for sign in page if sign in "\x1b\u202e"]


def test_each_kind_of_run_has_a_shape_of_its_own(page):
    """
    Without colour a trial, a baseline run, a cut-short and a failed trial still differ.
    """
    chart = re.search(r'<svg class="chart wide"[^>]*curve.*?</svg>', page, re.DOTALL)[0]
    assert 2 == len(re.findall(r'<circle class="trial"', chart))
    assert 7 == len(re.findall(r'<rect class="base"', chart))
    assert 1 == len(re.findall(r'<path class="cut"', chart))
    assert 1 == len(re.findall(r'<path class="failed"', chart))
    shapes = {
        re.sub(r"[\d.\s-]+", "", d) for d in re.findall(r'class="(?:cut|failed)" d="(.*?)"', chart)
    }
    assert 2 == len(shapes)


def test_charts_and_tables_can_be_heard(page):
    """
    Every chart has a title and a description, every table a caption, every heading an owner.
    """
    outline = Outline(page)
    charts = [value for value in outline.values("aria-labelledby") if "chart" in value]
    ids = outline.values("id")
    assert len(ids) == len(set(ids))
    assert 4 == len(charts)
    assert all(one in ids for value in charts for one in value.split())
    assert outline.tags.count("table") == outline.tags.count("caption")
    assert "en" in outline.values("lang")


@pytest.mark.parametrize("theme", [":root", "prefers-color-scheme: dark"])
def test_text_has_enough_contrast(page, theme):
    """
    Each colour of text or of a mark against the page has the 4.5 to 1 of WCAG AA, in both themes.
    """
    style = page[page.index(theme) :]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", style[: style.index("}")]))
    paper, tint = colours["paper"], colours["tint"]
    for name in ("ink", "soft", "trial", "base", "best", "cut", "failed", "good", "plain", "bad"):
        assert contrast(colours[name], paper) >= 4.5, name
    assert contrast(colours["soft"], tint) >= 4.5
    assert contrast(colours["mark"], colours["marktint"]) >= 4.5


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_simulated_session_says_so_first_and_in_the_title():
    """
    Nobody can take a dry run for a measurement.
    """
    page = report_page(session(simulated=True), runs())
    assert shown(page).index("SIMULATED: no kernel") < shown(page).index("Improved")
    assert "<title>SIMULATED: " in page
    assert "SIMULATED" not in report_page(session(), runs())


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_session_without_a_verdict_claims_none(status):
    """
    What was learnt is shown, nothing is called confirmed, nothing can be applied.
    """
    text = shown(report_page(session(status=status, result=None), runs()))
    assert f"is {status}: no verdict, nothing is confirmed" in text
    assert "The search" in text
    assert "sealtune apply" not in text


@pytest.mark.parametrize("verdict", ["none", "worse", "unsafe", "interrupted"])
def test_an_unconfirmed_gain_is_called_so(verdict):
    """
    Without a confirmed gain no parameter is kept and nothing is offered to apply.
    """
    gain = {**result()["gain"], "confirmed": False}
    text = shown(report_page(session(result=result(verdict=verdict, gain=gain)), runs()))
    assert "Measured, not confirmed" in text
    assert "Confirmed gain" not in text
    assert "nothing of it is kept" in text
    assert "sealtune apply" not in text


def test_a_session_of_an_older_sealtune_is_shown():
    """
    Without importance, strategies, plan and most facts the page still stands.
    """
    newer = ("importance", "importance_basis", "strategies", "comparison")
    old = {key: value for key, value in result().items() if key not in newer}
    text = shown(report_page(session(result=old, config={}, facts={}, arguments={}), ()))
    assert "Improved: requests per second" in text
    assert "not recorded" in text


def test_a_large_gain_and_a_tiny_one_both_have_an_axis():
    """
    Labels of the axis are few, distinct and hold the original, whatever the ratios.
    """
    for ratio in (1.004, 1.5, 40.0, 0.02):
        rows = [*runs(), run("search", 9, 1003.0 * ratio, tried(3), started=1_795_000_190.0)]
        page = report_page(session(result=None, status="failed"), rows)
        chart = re.search(r'<svg class="chart wide".*?</svg>', page, re.DOTALL)[0]
        ticks = [text for text in re.findall(r'text-anchor="end">(.*?)<', chart)]
        assert "original" in ticks
        assert len(ticks) == len(set(ticks)) <= 10
