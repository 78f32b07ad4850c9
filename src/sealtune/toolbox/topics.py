"""From the words that people use for kernel parameters to their names in the catalogue."""

import re
from collections.abc import Collection, Iterable

from sealtune.catalogue import Knob, load_catalogue
from sealtune.catalogue.forbidden import forbidden_reason
from sealtune.catalogue.loading import TOPICS
from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import KnobError

FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"(cpu|process|task)[ /]?schedul\w*|autogroup",
        ("kernel.sched_", "kernel.numa_", "haltpoll/"),
    ),
    (r"((block|disk|i/?o) ?)?schedul(ers?|ing)|elevators?", ("block/{dev}/scheduler",)),
    (r"(transparent )?huge ?pages?|thp", ("transparent_hugepage/",)),
    (r"swap(ping|piness)?", ("vm.swappiness",)),
    (r"read ?-?ahead", ("block/{dev}/read_ahead_kb",)),
    (r"write ?-?back( throttl\w*)? ?latency|throttl\w*|wbt", ("block/{dev}/wbt_lat_usec",)),
    (r"write ?-?back|dirty( pages?| ratios?)?|flush\w*", ("vm.dirty_",)),
    (r"numa", ("kernel.numa_",)),
    (r"halt ?-?poll\w*|idle poll\w*", ("haltpoll/",)),
    (r"busy ?-?(poll|read)\w*", ("net.core.busy_",)),
    (
        r"(listen|accept|connection|syn) (backlogs?|queues?)",
        ("net.core.somaxconn", "net.ipv4.tcp_max_syn"),
    ),
    (r"backlogs?", ("net.core.somaxconn", "net.ipv4.tcp_max_syn", "net.core.netdev_max_backlog")),
    (
        r"(socket|tcp|network|net|send|receive) ?buffers?",
        ("net.core.rmem_max", "net.core.wmem_max", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    ),
    (r"congestion( control)?|bbr|cubic", ("net.ipv4.tcp_congestion_control",)),
    (r"slow ?-?start", ("net.ipv4.tcp_slow_start_after_idle",)),
    (r"fast ?-?open", ("net.ipv4.tcp_fastopen",)),
    (r"time ?-?wait|fin ?-?timeout", ("net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_fin_timeout")),
    (r"queue depth|request queues?|nr.?requests", ("block/{dev}/nr_requests",)),
    (r"merg(es|ing)", ("block/{dev}/nomerges",)),
    (r"compaction", ("vm.compaction_",)),
    (r"watermarks?", ("vm.watermark_",)),
    (r"free memory|memory reserve|min ?free", ("vm.min_free_kbytes",)),
    (r"(cache|inode|dentry|vfs) ?pressure|inode cache|dentr(y|ies)", ("vm.vfs_cache_pressure",)),
    (r"block (device|layer|queue)s?|disk queue", ("block/",)),
)
"""What people call a family of parameters, and how the names in it begin."""

TOPIC_WORDS: tuple[tuple[str, str], ...] = (
    (r"networks?|networking|tcp|sockets?|net|nic", "network"),
    (r"disks?|storage|i/?o|ssds?|nvme|drives?|files?(systems?)?", "disk"),
    (r"memory|ram|vm|pag(es|ing)", "memory"),
    (r"cpus?|processors?|cores?", "cpu"),
    (r"latency|delays?|jitter", "latency"),
    (r"databases?|db|sql|postgres\w*|mysql", "database"),
    (r"web( ?servers?)?|https?|nginx", "web"),
    (r"caches?|redis|memcached?", "cache"),
)
"""What people call one of the catalogue's topics."""

_COMMON = frozenset({"the", "any", "all", "and", "our", "for", "with", "anything", "everything"})


def about(topic: str) -> tuple[Knob, ...]:
    """Return the parameters that `topic` is about; all of them for an empty one.

    Args:
        topic: A topic of the catalogue (``memory``), a workload class (``web_server``), a family
            (``huge pages``), or words that stand in names and reasons.

    Returns:
        In the order of the catalogue; empty when nothing matches.
    """
    words = _plain(topic)
    if not words or words in ("parameters", "everything", "all"):
        return load_catalogue().knobs
    for workload in load_workloads().classes:
        if words in (_plain(workload.name), _plain(workload.title)):
            return _listed(expert.knob for expert in (*workload.parameters, *workload.reserve))
    if found := in_words(topic):
        return found
    return tuple(knob for knob in load_catalogue().knobs if _mentions(knob, words))


def in_words(text: str, topics: Collection[str] = TOPICS) -> tuple[Knob, ...]:
    """Return the parameters that `text` names: by name, by family or by one of `topics`.

    >>> [knob.name for knob in in_words("the block scheduler and vm.swappiness")]
    ['vm.swappiness', 'block/{dev}/scheduler']
    >>> in_words("the disk", topics=())
    ()
    """
    exact, rest = _exact(text)
    meant = {topic for pattern, topic in TOPIC_WORDS if re.search(_word(pattern), rest)}
    meant &= set(topics)
    by_topic = (knob.name for knob in load_catalogue().knobs if meant & set(knob.topics))
    return _listed((*(knob.name for knob in exact), *by_topic))


def _exact(text: str) -> tuple[tuple[Knob, ...], str]:
    """Return what is named outright in `text`, and the words that are left."""
    starts: list[str] = []
    others: list[str] = []
    for word in text.split():
        knob = _by_name(word)
        (others if knob is None else starts).append(word if knob is None else knob.name)
    rest = _plain(" ".join(others))
    for pattern, beginnings in FAMILIES:
        if re.search(_word(pattern), rest):
            starts += beginnings
            rest = re.sub(_word(pattern), " ", rest)
    return _beginning(starts), rest


def named(name: str, device: str | None = None) -> Knob:
    """Return the one parameter that `name` means, in any spelling, or by what people call it.

    Raises:
        KnobError: Unknown, or several are meant (they are named), or never tuned.
    """
    try:
        return load_catalogue().resolve(name.strip(), device)
    except KnobError as error:
        if forbidden_reason(name.strip()):
            raise
        found = _by_part(name) or in_words(name, ())
        if len(found) == 1:
            return found[0].on_device(device) if device else found[0]
        if found:
            names = ", ".join(knob.name for knob in found)
            raise KnobError(f"{name} could be any of: {names}", fix="Name one of them.") from None
        raise error from None


def _word(pattern: str) -> str:
    return rf"\b(?:{pattern})\b"


def _by_name(word: str) -> Knob | None:
    """Return the entry that `word` names outright; plain English words name none."""
    word = word.strip(".,;:?!'\"`()")
    if not re.search(r"[._/]", word) and word.lower() not in _single_words():
        return None
    try:
        return load_catalogue().resolve(word)
    except KnobError:
        return None


def _single_words() -> frozenset[str]:
    """Return last parts of names that are no English words, such as ``swappiness``."""
    parts = {re.split(r"[./]", knob.name)[-1] for knob in load_catalogue().knobs}
    return frozenset(parts - {"enabled", "defrag", "scheduler"})


def _by_part(name: str) -> tuple[Knob, ...]:
    wanted = re.sub(r"[\s-]+", "_", name.strip().lower())
    if len(wanted) < 3:
        return ()
    return tuple(knob for knob in load_catalogue().knobs if wanted in knob.name)


def _beginning(starts: Iterable[str]) -> tuple[Knob, ...]:
    wanted = tuple(starts)
    return tuple(knob for knob in load_catalogue().knobs if knob.name.startswith(wanted))


def _mentions(knob: Knob, words: str) -> bool:
    said = _plain(f"{knob.name} {knob.why} {knob.trade_off} {' '.join(knob.topics)}")
    meant = [word for word in words.split() if len(word) > 2 and word not in _COMMON]
    return bool(meant) and all(word.rstrip("s") in said for word in meant)


def _listed(names: Iterable[str]) -> tuple[Knob, ...]:
    wanted = set(names)
    return tuple(knob for knob in load_catalogue().knobs if knob.name in wanted)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[_,;:()\"'`?!]", " ", text.lower()).split())
