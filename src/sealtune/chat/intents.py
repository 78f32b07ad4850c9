"""What a sentence in the conversation asks for, understood by rules: no model, no network."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.forbidden import forbidden_reason
from sealtune.catalogue.loading import TOPICS
from sealtune.chat import phrases
from sealtune.chat.wishes import NO_WISHES, PARTS, Wishes, bare_limit, read_wishes
from sealtune.strategist.reading import classify
from sealtune.toolbox.topics import in_words

Kind = Literal[
    "optimize",
    "propose",
    "again",
    "why",
    "parameters",
    "benchmarks",
    "system",
    "status",
    "compare",
    "explain",
    "learnt",
    "undo",
    "apply",
    "yes",
    "no",
    "help",
    "hello",
    "thanks",
    "bye",
    "unclear",
]


@dataclass(frozen=True, slots=True)
class Intent:
    """What a sentence asks for.

    Attributes:
        kind: What to do.
        topic: The workload's description, the parameter, or what the question is about.
        sessions: Ids of sessions that were named.
        wishes: Limits on a tuning session that were named beside.
    """

    kind: Kind
    topic: str = ""
    sessions: tuple[str, ...] = ()
    wishes: Wishes = NO_WISHES


_NAME = (
    r"/?[a-z]\w*([./]\w+)*[./]\w*_\w+|"
    r"(vm|net|kernel|block|fs|haltpoll|transparent_hugepage)[./][\w./{}]+"
)
"""What is written as a parameter's name is."""

_BRIEF = 3

_SESSION = re.compile(r"\b\d{8}-\d{4}-[0-9a-f]+\b|\b\d{8}-\d{4}\b")


def understand(text: str) -> Intent:
    """Return what `text` asks for; ``unclear`` when no rule fits and it names no workload."""
    said = _plain(text)
    if (whole := _whole(said)) is not None:
        return whole
    asked = re.sub(phrases.POLITE, "", said).strip(" ,.!")
    sessions = tuple(dict.fromkeys(_SESSION.findall(asked)))
    for rule in (_about_sessions, _about_tuning_again, _about_knowledge):
        if (found := rule(asked, sessions)) is not None:
            return found
    return _workload(asked, _original(text))


def _whole(said: str) -> Intent | None:
    """Return the intent of a sentence that is nothing but a formula."""
    bare = said.strip(" .!,?") or said
    formulas: tuple[tuple[Kind, str], ...] = (
        ("hello", phrases.HELLO),
        ("thanks", phrases.THANKS),
        ("bye", phrases.BYE),
        ("yes", phrases.YES),
        ("no", phrases.NO),
        ("help", phrases.HELP),
    )
    if not said:
        return Intent("help")
    return next((Intent(kind) for kind, form in formulas if re.fullmatch(form, bare)), None)


def _about_sessions(asked: str, sessions: tuple[str, ...]) -> Intent | None:
    bare = asked.rstrip("?.! ")
    if re.search(phrases.COMPARE, asked):
        return Intent("compare", sessions=sessions)
    if re.search(phrases.AGAIN, asked) or re.search(phrases.TUNE, asked):
        return None
    if re.search(phrases.UNDO, asked):
        return Intent("undo")
    if re.fullmatch(phrases.APPLY, bare):
        return Intent("apply", sessions=sessions)
    if re.search(phrases.LEARNT, asked):
        return Intent("learnt", _learnt_topic(bare))
    if re.search(phrases.EXPLAIN, asked) or sessions:
        return Intent("explain", sessions=sessions)
    return None


def _about_tuning_again(asked: str, _sessions: tuple[str, ...]) -> Intent | None:
    if (limit := bare_limit(asked)) is not None:
        return Intent("again", wishes=limit)
    again = re.search(phrases.AGAIN, asked) is not None
    if not again and not re.search(phrases.WISH, asked):
        return None
    wishes, rest = read_wishes(asked, TOPICS if again else PARTS)
    rest = re.sub(phrases.AGAIN, " ", rest)
    workload = classify(rest) is not None
    if again and not workload:
        return Intent("again", wishes=wishes)
    named = wishes != NO_WISHES and not wishes.unknown
    if named and not workload and not re.search(phrases.TUNE, rest):
        return Intent("again", wishes=wishes)
    return None


def _about_knowledge(asked: str, _sessions: tuple[str, ...]) -> Intent | None:
    tunes = re.search(phrases.TUNE, asked) or re.search(phrases.PROPOSE, asked)
    if re.search(phrases.CAN_TUNE, asked):
        return Intent("parameters", _after(asked, r"for|in|about|on"))
    if why := _why(asked):
        return why
    if re.search(phrases.PARAMETERS, asked) and not tunes and _lists(asked):
        return Intent("parameters", _parameters_topic(asked))
    if tunes:
        return None
    kinds: tuple[tuple[Kind, str], ...] = (
        ("benchmarks", phrases.BENCHMARKS),
        ("status", phrases.STATUS),
        ("system", phrases.SYSTEM),
    )
    return next((Intent(kind) for kind, form in kinds if re.search(form, asked)), None)


def _lists(asked: str) -> bool:
    return bool(re.search(phrases.LISTING, asked)) or len(asked.split()) <= 4


def _why(asked: str) -> Intent | None:
    bare = asked.rstrip("?.! ")
    if bare in ("why", "why so", "why that", "why these", "why those", "why this", "how so"):
        return Intent("why")
    asks = re.search(phrases.WHY, asked) or re.search(phrases.QUESTION, asked)
    if (name := _names_one(bare)) and (asks or bare == name):
        return Intent("why", name)
    if not re.search(phrases.WHY, asked) or (
        re.search(phrases.PARAMETERS, asked) and not bare.startswith("why")
    ):
        return None
    rest = re.sub(phrases.WHY, "", bare).strip()
    rest = re.sub(
        r"^(not |did you (\w+ ){0,2}|do you (\w+ ){0,2}|is |are |the |a |about )+", "", rest
    )
    found = in_words(rest, TOPICS if bare.startswith("why") else ())
    if found and not re.search(phrases.BENCHMARKS, asked):
        return Intent("why", found[0].name if len(found) == 1 else rest)
    return None


def _names_one(asked: str) -> str:
    """Return the word of `asked` that is written as a parameter's name, however misspelt."""
    lasts = {re.split(r"[./]", knob.name)[-1] for knob in load_catalogue().knobs}
    for found in re.finditer(r"[\w./{}-]+", asked):
        word = found[0].strip(".-")
        brief = len(asked.split()) <= _BRIEF  # "online" is no parameter in a long sentence
        if re.fullmatch(_NAME, word) or (brief and forbidden_reason(word)):
            return word
        near = get_close_matches(word, lasts - {"enabled", "defrag", "scheduler"}, 1, cutoff=0.87)
        if near and len(word) > 5:
            return near[0]
    return ""


def _workload(asked: str, original: str) -> Intent:
    """Return a tuning request, if the sentence asks for one or describes a workload."""
    wishes, rest = read_wishes(original)
    tunes = re.search(phrases.TUNE, asked) is not None
    proposes = re.search(phrases.PROPOSE, asked) is not None
    described = _description(rest)
    reading = classify(described)
    if proposes and (reading or tunes):
        return Intent("propose", described, wishes=wishes)
    if tunes:
        return Intent("optimize", described, wishes=wishes)
    if reading is None or original.endswith("?"):
        return Intent("unclear", described if reading else "")
    return Intent("optimize", described, wishes=wishes)


def _description(text: str) -> str:
    """Return what is left of `text` without the words around a description."""
    for pattern in (phrases.POLITE, phrases.PROPOSING, phrases.AGAIN):
        text = re.sub(pattern, "", text, flags=re.IGNORECASE)
    return " ".join(text.split()).strip(" ,;?!")


def _learnt_topic(asked: str) -> str:
    asked = re.sub(phrases.PAST, "", asked)
    topic = _after(asked, r"about|on|for|with|from|regarding|of")
    return re.sub(
        r"\b(here|so far|before|already|on this machine|this machine|yet)\b", "", topic
    ).strip()


def _parameters_topic(asked: str) -> str:
    if topic := _after(
        asked, r"for|about|of|on|in|concerning|regarding|affecting|affect|influence|that affect"
    ):
        return topic
    rest = re.sub(phrases.PARAMETERS, " ", re.sub(phrases.LISTING, " ", asked))
    rest = re.sub(
        r"\b(me|the|all|kernel|you|can|do|does|there|tune|have|be|tuned|of|is|are|my)\b", " ", rest
    )
    return " ".join(rest.strip(" ?.!").split())


def _after(asked: str, words: str) -> str:
    found = re.search(
        rf"\b(?:{words})\s+(?:the |a |an |this |my |our )?(.+)$", asked.rstrip("?.! ")
    )
    topic = found[1].strip() if found else ""
    return "" if topic in ("machine", "system", "there", "it", "here") else topic


def _plain(text: str) -> str:
    return " ".join(_original(text).lower().split())


def _original(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").replace("\u2018", "'").split())
