"""The word pieces are those of the tokenizer that the encoder was trained with."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealtune.strategist.embedding.encoder import encoder
from sealtune.strategist.embedding.tokens import LENGTH, split, tokenize

CAPTURED = json.loads(Path(__file__).with_name("tokens.json").read_text("utf-8"))["tokens"]


def spelt_out(text):
    return text if isinstance(text, str) else text["repeat"] * text["times"]


@pytest.mark.parametrize(("text", "expected"), CAPTURED)
def test_pieces_are_those_of_the_reference(text, expected):
    """Each captured text, from empty to 10,000 letters of any script, has the same numbers."""
    assert expected == encoder().tokenize(spelt_out(text))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_few_pieces_between_its_marks(text):
    """Whatever the text, there are at most 128 numbers, all known, the two marks outside."""
    known = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "##a": 4, "b": 5}
    pieces = tokenize(text, known)

    assert 2 <= len(pieces) <= LENGTH
    assert [1, 2] == [pieces[0], pieces[-1]]
    assert set(pieces[1:-1]) <= {0, 3, 4, 5}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_words_hold_no_space(text):
    """A word is never empty and holds no white space."""
    assert all(word and not any(map(str.isspace, word)) for word in split(text))
