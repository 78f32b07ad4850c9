"""From a description to comparable words: lower case, stems, no knob assignments."""

import re
import unicodedata

MAX_CHARACTERS = 10_000
"""A longer text is a document and not a description; it is asked back instead of skimmed."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = _words("""
    a about after all also an and any are as at be because been being but by can could did do
    does doing each every for from had has have having he her here his how i if in into is it
    its just like me more most much must my need no not now of on one only or other our out
    over own per please really same she should so some such than that the their them then
    there these they this those to too up us use used using very want was we were what when
    where which while who whose why will with would you your am im thing things lot lots make
    made get got give
""")

GENERAL_WORDS = _words("""
    server machine system linux kernel host computer node box hardware application app service
    program process software tune tuning optimize optimise optimization improve performance
    faster better run running workload load debian production main busy slow small large big
    heavy light client clients handle serve work many few thousand hundred day night second
    minute time data look
""")
"""Words that fit any description: they neither speak for a class nor make the text absurd."""

_PARAMETER = re.compile(r"(?:vm|net|kernel|fs|dev)\.\w")
_WORD = re.compile(r"[^\W_]+\+*")


def normalise(text: str) -> str:
    """Return `text` in lower case, without accents, punctuation as single spaces.

    Parameter names, assignments and paths are left out: they are no description of a workload.

    >>> normalise("Low-latency  Café; kernel.panic=1")
    'low latency cafe'
    """
    plain = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS].lower())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    described = " ".join(word for word in plain.split() if not _is_instruction(word))
    return " ".join(_WORD.findall(described))


def described(text: str) -> str:
    """Return `text` as a sentence for the encoder: no kernel parameters, no paths, no line ends.

    >>> described("nginx,  many visitors; kernel.panic=1")
    'nginx, many visitors;'
    """
    words = text[:MAX_CHARACTERS].split()
    return " ".join(word for word in words if not _is_setting(word.lower()))


def _is_instruction(word: str) -> bool:
    return "=" in word or _is_setting(word)


def _is_setting(word: str) -> bool:
    path = word.startswith(("/", "./", "../", "~")) and word.count("/") > 1
    return path or _PARAMETER.match(word) is not None


def stem(word: str) -> str:
    """Return `word` without its commonest English endings; the same rule serves both sides.

    >>> [stem(word) for word in ("caches", "caching", "queries", "compiled", "crunching", "bus")]
    ['cach', 'cach', 'query', 'compil', 'crunch', 'bus']
    """
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "as")):
        word = word[:-1]
    for ending in ("ing", "ed", "er"):
        if len(word) - len(ending) >= 4 and word.endswith(ending):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def stems(text: str) -> tuple[str, ...]:
    """Return the stems of the normalised `text`, in order."""
    return tuple(stem(word) for word in normalise(text).split())
