"""The dashboard over a history full of hostile texts, and asked for sessions that are none."""

import re
from urllib.parse import quote

import pytest
from tests.hostile.history import fill
from tests.hostile.injections import texts
from tests.web.client import STATIC, Browser

from sealtune.store import SqliteStore

_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
)


@pytest.fixture(scope="module")
def visitor(tmp_path_factory):
    """A browser that came with the token, to a history in which every field is hostile."""
    path = tmp_path_factory.mktemp("web") / "sessions.db"
    with SqliteStore(path) as store:
        fill(store, texts())
        yield Browser(store).visitor()


def test_every_session_is_told_as_data(visitor):
    """
    The list and each session are JSON that no browser takes for a page.
    """
    listed = visitor.get("/api/sessions")
    assert listed.status_code == 200
    names = re.findall(r'"id":\s*"(\d{8}-\d{4}-\w+)"', listed.text)
    assert len(set(names)) == 2
    for answer in (listed, *(visitor.get(f"/api/sessions/{name}") for name in names)):
        assert answer.status_code == 200, answer.text[:300]
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "place", ["/api/sessions/{}", "/api/sessions/{}/events", "/static/{}", "/{}"]
)
def test_a_name_that_is_none_leads_nowhere(visitor, place):
    """
    Paths upwards, SQL, controls and markup in an address are not found; none is a fault of ours.
    """
    odd = [
        *texts(),
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "\x00",
        "js/\x00.js",
        "x" * 5000 + ".js",
        "....//etc/passwd",
    ]
    for text in odd:
        answer = visitor.get(place.format(quote(text, safe="")))
        assert answer.status_code in (400, 404, 405, 414), (answer.status_code, text)
        assert "root:" not in answer.text
        assert "<script>alert" not in answer.text


def test_the_page_makes_no_markup_of_texts():
    """
    None of its scripts has a way from a text to an element, or to code.
    """
    scripts = [file for file in STATIC.rglob("*.js") if "vendor" not in file.parts]
    assert scripts
    assert [file.name for file in scripts if _MARKUP.search(file.read_text("utf-8"))] == []
