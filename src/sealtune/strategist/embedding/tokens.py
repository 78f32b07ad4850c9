"""Splits a text into the word pieces that the encoder was trained on (BERT's uncased rules)."""

import unicodedata
from collections.abc import Iterator, Mapping

LENGTH = 128
"""Most pieces of one text, the two that mark its ends included; the rest is not read."""

_UNKNOWN, _BEGIN, _END = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100
_CONTROLS = frozenset({"Cc", "Cf", "Co", "Cs"})
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def tokenize(text: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Return the numbers of the word pieces of `text`, at most `LENGTH`, marks included.

    >>> words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "data": 3, "##base": 4, "!": 5}
    >>> tokenize("Database!", words)
    [1, 3, 4, 5, 2]
    """
    pieces = [vocabulary[_BEGIN]]
    for word in split(text):
        pieces.extend(_pieces(word, vocabulary))
        if len(pieces) >= LENGTH - 1:
            break
    return [*pieces[: LENGTH - 1], vocabulary[_END]]


def split(text: str) -> Iterator[str]:
    """Yield the words of `text`: lower case, no accents, punctuation and ideographs alone.

    >>> list(split("Café-Menü 東京"))
    ['cafe', '-', 'menu', '東', '京']
    """
    clean = "".join(map(_clean, text))
    plain = (c for c in unicodedata.normalize("NFD", clean) if unicodedata.category(c) != "Mn")
    for word in "".join(plain).lower().split():
        yield from _at_punctuation(word)


def _clean(letter: str) -> str:
    if letter in "\t\n\r":
        return " "
    if letter == "\ufffd" or unicodedata.category(letter) in _CONTROLS:
        return ""
    return f" {letter} " if _ideograph(ord(letter)) else letter


def _ideograph(code: int) -> bool:
    return code >= 0x3400 and any(low <= code <= high for low, high in _IDEOGRAPHS)


def _at_punctuation(word: str) -> Iterator[str]:
    start = 0
    for at, letter in enumerate(word):
        if _punctuation(letter):
            if at > start:
                yield word[start:at]
            yield letter
            start = at + 1
    if start < len(word):
        yield word[start:]


def _punctuation(letter: str) -> bool:
    if letter.isascii():
        return not letter.isalnum()
    return unicodedata.category(letter).startswith("P")


def _pieces(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Return the longest pieces that make up `word`, left to right; unknown if they cannot."""
    if len(word) > _LONGEST_WORD:
        return [vocabulary[_UNKNOWN]]
    found: list[int] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            piece = vocabulary.get(mark + word[start:end])
            if piece is not None:
                break
        else:
            return [vocabulary[_UNKNOWN]]
        found.append(piece)
        start = end
    return found
