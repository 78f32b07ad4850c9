"""Limits on a tuning session that a sentence names: time, trials, what to leave alone."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sealtune.catalogue.loading import TOPICS
from sealtune.toolbox.topics import in_words


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wants of a session beside the workload.

    Attributes:
        minutes: Wall clock [min].
        trials: Most settings to try.
        benchmark: Name of a benchmark.
        only: Tune these parameters and no others.
        exclude: Leave these parameters alone.
        unknown: Words that should have named parameters and name none.
    """

    minutes: float | None = None
    trials: int | None = None
    benchmark: str | None = None
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


NO_WISHES = Wishes()

_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "ten": 10,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "sixty": 60,
}
_NUMBER = r"(?P<number>\d+(?:[.,]\d+)?|" + "|".join(_NUMBERS) + r")"
_LEAD = (
    r"(?:\bfor|\bin|\bwithin|\bat most|"
    r"\bup to|\bmax(?:imum)?|\bno more than|\bnot longer than|\bspend|"
    r"(?:^|(?<=, )|(?<=and ))(?:use|take)|\bgive (?:it|yourself)|\bonly|\bjust|\bwith|\bbut)"
)
_TAIL = (
    r"(?: (?:at (?:the )?most|at least|max(?:imum)?|tops|or (?:so|less|more)|in total|altogether)"
    r"(?=\s*(?:$|[,.;!?]|and\b)))?"
)
_HALF = re.compile(rf"{_LEAD}?\s*\b(?P<part>half an?|(?:a )?quarter of an) hour\b{_TAIL}", re.I)
_TIME = re.compile(
    rf"(?P<lead>(?:{_LEAD} (?:about |only |roughly )?)+)?\b{_NUMBER}[ -]?"
    rf"(?P<unit>minutes?|mins?|min|m|hours?|hrs?|h)\b{_TAIL}",
    re.I,
)
_LASTING = re.compile(r"\b(runs?|running|lasts?|lasting|takes|every|of)( for| about)?\s*$", re.I)
_TRIALS = re.compile(
    rf"(?:{_LEAD} (?:about |only )?)?\b{_NUMBER} "
    rf"(?:trials?|tries|attempts?|settings|rounds|experiments?|iterations?|evaluations?)\b{_TAIL}",
    re.I,
)
_BENCHMARK = re.compile(
    r"[, ]*\b(?:and )?(?:use|using|with|by|measured? (?:it )?(?:with|by)|run|against)(?: the)? "
    r"(?:benchmark )?(?P<name>pgbench|sysbench|ab|redis-benchmark|redis(?= benchmark)|"
    r"sqlite(?= benchmark)|(?<=benchmark )\w+)(?: (?:as (?:the |a )?)?benchmark)?\b",
    re.I,
)
_END = (
    r"(?=$|[,;!?]|\.(?:\s|$)|\bbut\b|\band (?:only|use|for|spend|take|try)\b|\bfor \d|\bin \d|"
    r"\bwith \d|\busing\b|\bthis time\b)"
)
_VERB = (
    r"(?:(?:touch|chang|tun|us|modify|alter|adjust)(?:e|ing)?|with|setting|"
    r"anything (?:about|in|of|to do with))"
)
_EXCLUDE = re.compile(
    r"[, ]*\b(?:but |and |please )*(?:without|excluding|exclude|except(?: for)?|not|leave out|"
    r"leaving out|skip(?:ping)?|avoid(?:ing)?|do(?:n't| not)|never|hands off(?: of)?|no|omit|"
    rf"ignore|everything but|all but)\s+(?P<verb>{_VERB}\s+)?(?P<what>.+?)\s*{_END}",
    re.I,
)
_ALONE = re.compile(
    r"[, ]*\b(?:but |and |please )*(?:leave|leaving|keep|keeping)\s+(?P<what>.+?)\s+"
    r"(?P<verb>alone|untouched|as (?:it is|they are|is)|unchanged|out)\b",
    re.I,
)
_ONLY = re.compile(
    r"[, ]*(?<![-\w])(?:but |and )*(?:only|just|nothing but|solely|restricted to|"
    r"restrict (?:it )?to|limit (?:it |yourself )?to|limited to)\s+"
    rf"(?P<verb>{_VERB}\s+)?(?P<what>.+?)\s*{_END}",
    re.I,
)
_GENERAL = re.compile(
    r"\b(anything|everything|settings?|parameters?|knobs?|stuff|things?|related)\b", re.I
)

_FLAG = re.compile(rf"--(?P<unit>minutes|trials)[ =]{_NUMBER}", re.I)
_FILLER = re.compile(
    r"\b(?:then|well|so|fine|sure|ok(?:ay)?|yes|all right|alright|please|now|instead|rather|"
    r"take|use|make|let'?s|say|give|allow|try|spend|go|run|do|have|(?:i|we) (?:can|could) wait|"
    r"can|may|could|it|you|i|we|that|yourself|is|in|for|at|up|to|with|about|only|just|how|what|"
    r"and|but|enough|good|too)\b|[ ,.!?;]",
    re.I,
)
_ASKING = re.compile(
    r"(?:what|how) (?!about\b)|(?:is|are|was|will|would|does?|did|has|had|have|which|why|when|"
    r"could (?:that|it|this)|can (?:that|it|this))\b",
    re.I,
)
_ONE = re.compile(r"(?:an?|one)\b(?! ?h)", re.I)
"""Of a minute or a trial: "one minute, please" asks for patience. An hour is an hour."""


PARTS = ("disk", "network", "memory", "cpu")
"""Topics that are parts of a machine; the others may be the workload itself."""


def read_wishes(text: str, topics: Collection[str] = ()) -> tuple[Wishes, str]:
    """Return the wishes in `text`, and what is left of it.

    Args:
        text: A sentence.
        topics: Topics of the catalogue that can only mean parameters here, because the sentence
            describes no workload; without any, words such as "without the disk" count only where
            they cannot be part of the workload.
    """
    minutes, rest = _minutes(_unflagged(text))
    trials, rest = _trials(rest)
    benchmark, rest = _benchmark(rest)
    unknown: list[str] = []
    exclude: list[str] = []
    for pattern in (_ALONE, _EXCLUDE):
        rest = _take(pattern, rest, exclude, unknown, topics)
    only: list[str] = []
    rest = _take(_ONLY, rest, only, unknown, topics)
    wishes = Wishes(
        minutes,
        trials,
        benchmark,
        tuple(dict.fromkeys(only)),
        tuple(dict.fromkeys(exclude)),
        tuple(unknown),
    )
    return wishes, " ".join(rest.split()).strip(" ,;")


def bare_limit(text: str) -> Wishes | None:
    """Return the time and the number of trials if `text` says nothing else, else ``None``.

    "then take 5 minutes" is one; "5 minutes of batch jobs" is a workload.
    """
    rest, parts = _unflagged(text), []
    if _ASKING.match(rest.strip()):
        return None
    for form in (_HALF, _TIME, _TRIALS):
        if found := form.search(rest):
            if "number" in found.groupdict() and _ONE.match(
                found[0], found.start("number") - found.start()
            ):
                return None
            parts.append(found[0].strip())
            rest = _without(rest, found)
    if not parts or _FILLER.sub("", rest):
        return None
    return read_wishes(", ".join(parts))[0]


def _unflagged(text: str) -> str:
    """Return `text` with options of the command line as words: they stand in our own errors."""
    return _FLAG.sub(lambda found: f", {found['number']} {found['unit']}", text)


def _minutes(text: str) -> tuple[float | None, str]:
    half = _HALF.search(text)
    if half and not _LASTING.search(text[: half.start()]):
        return (30.0 if half["part"].lower().startswith("half") else 15.0), _without(text, half)
    for found in _TIME.finditer(text):
        # A job that runs for two hours is a workload; "for ten minutes" is a wish.
        before = text[: found.start()].rstrip()
        apart = found["lead"] or before.endswith((",", ";")) or not before
        if not apart or _LASTING.search(before):
            continue
        amount = _number(found["number"])
        return (amount * 60 if found["unit"].lower().startswith("h") else amount), _without(
            text, found
        )
    return None, text


def _trials(text: str) -> tuple[int | None, str]:
    found = _TRIALS.search(text)
    if found is None:
        return None, text
    return int(_number(found["number"])), _without(text, found)


def _benchmark(text: str) -> tuple[str | None, str]:
    found = _BENCHMARK.search(text)
    if found is None:
        return None, text
    name = found["name"].lower()
    return ("redis" if name == "redis-benchmark" else name), _without(text, found)


def _take(
    pattern: re.Pattern[str],
    text: str,
    names: list[str],
    unknown: list[str],
    topics: Collection[str],
) -> str:
    """Move what `pattern` finds in `text` to `names`; return the text without it."""
    for found in list(pattern.finditer(text))[::-1]:
        what = found["what"]
        sure = found["verb"] is not None or _GENERAL.search(what) is not None
        lead = found[0].lower()
        if not topics and lead.strip(" ,").startswith("no "):
            continue  # "no disk" is how a workload is
        apart = lead.lstrip().startswith((",", "but"))
        meant = in_words(what, topics or (TOPICS if sure else PARTS if apart else ()))
        if meant:
            names += [knob.name for knob in meant]
        elif topics:
            unknown.append(what.strip())
        else:
            continue
        text = _without(text, found)
    return text


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def _number(text: str) -> float:
    if re.fullmatch(r"\d+,\d{3}", text):
        return float(text.replace(",", ""))
    return float(_NUMBERS.get(text.lower()) or text.replace(",", "."))
