"""Texts that try to take over, each through the door that it was written for."""

import pytest
from tests.hostile import injections, judging
from tests.hostile.history import in_history

_COSTLY = ("memory", "answer", "chat")
DOORS = [
    pytest.param(
        door,
        text,
        id=f"{door}-{number}",
        marks=[pytest.mark.slow] if door in _COSTLY and number > 2 else [],
    )
    for door in injections.DOORS
    for number, text in enumerate(injections.texts(door))
]


@pytest.fixture(scope="module", autouse=True)
def _looked_at_once():
    with judging.looked_at_once():
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_requests():
    import pydantic_ai.models

    with pydantic_ai.models.override_allow_model_requests(False):
        yield


def test_there_are_at_least_a_hundred_texts():
    """
    Every origin has some, and no two are the same.
    """
    every = injections.texts()
    assert len(set(every)) == len(every) >= 100
    assert all(injections.texts(door) for door in injections.DOORS)


@pytest.mark.parametrize(("door", "text"), DOORS)
def test_a_text_moves_nothing(door, text):
    """
    No unsafe value, no unapproved command, no screen steered, no traceback, no secret sent.
    """
    assert injections.tried(door, text) == []


@pytest.mark.slow
def test_what_all_of_them_left_in_the_history_acts_nowhere():
    """
    Terminal, JSON, HTML and Markdown show a session and a memory full of them, and none acts.
    """
    assert in_history(injections.texts()[::4]) == []


def test_a_page_that_acts_is_seen():
    """
    The judge of pages finds a script, a handler and a link; that of Markdown an image.
    """
    assert judging.acts_in_page("<p><script>x</script><b onclick=x>", "<p>")
    assert judging.acts_in_page("<a href='javascript:x'>", "<p>")
    assert judging.acts_in_markdown("![x](http://198.51.100.7/x.png)")
    assert judging.acts_in_markdown("<img src=x>")
    assert judging.acts_in_markdown("``` <img src=x> ``` and `[a](b)`") == []
    assert judging.steers("a\x1b[2J")
