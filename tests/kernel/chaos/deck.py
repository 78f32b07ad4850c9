"""What is done to whom, in which order: cards, dealt again and again in another order."""

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass

KILL, TERM, INT, HUP, STOP = (
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGSTOP,
)
CLOSED = "closed"
"""In place of a signal: the terminal is gone."""

AIMS = ("any", "changed", "apply", "screening", "confirm", "minimise", "restore")
"""When: at any moment; a while after the first changed value was seen; within 2 ms of a batch's
way into the journal; in a phase; while the session restores because it was told to end."""
_FATAL_AIMS = (6, 7, 3, 1, 2, 1, 2)


@dataclass(frozen=True)
class Strike:
    """One kill.

    Attributes:
        victim: See `victims.find`.
        number: The signal; `CLOSED` for a terminal.
        aim: One of `AIMS`.
    """

    victim: str
    number: signal.Signals | str
    aim: str = "changed"

    @property
    def signal_name(self) -> str:
        """The signal's name, for people."""
        return self.number.name if isinstance(self.number, signal.Signals) else self.number


@dataclass(frozen=True)
class Life:
    """One session and all that happens to it.

    Attributes:
        number: Place in the series, from 0; makes every choice of it.
        kind: Its benchmark, one of `sessions.KINDS`.
        strikes: In order; only the last one has to end it.
    """

    number: int
    kind: str
    strikes: tuple[Strike, ...]

    @property
    def terminal(self) -> bool:
        """Whether it needs a terminal."""
        return any(strike.victim == "terminal" for strike in self.strikes)

    @property
    def dashboard(self) -> bool:
        """Whether it needs a dashboard."""
        return any(strike.victim == "dashboard" for strike in self.strikes)


_FATAL = {
    ("session", KILL): 11,
    ("session", TERM): 2,
    ("session", INT): 2,
    ("session", HUP): 2,
    ("session", STOP): 2,
    ("agent", KILL): 2,
    ("agent", TERM): 1,
    ("guard", KILL): 11,
    ("guard", TERM): 2,
    ("guard", INT): 1,
    ("guard", HUP): 1,
    ("guard", STOP): 2,
    ("session+guard", KILL): 8,
    ("session+guard", TERM): 1,
    ("session+guard", STOP): 1,
    ("all", KILL): 6,
    ("all", TERM): 1,
    ("all", HUP): 1,
    ("tree", KILL): 3,
    ("group", KILL): 1,
    ("group", TERM): 1,
    ("group", INT): 1,
    ("group", HUP): 1,
    ("terminal", CLOSED): 3,
}
"""Who is hit how, and how often in a hundred kills or so: what ends a session."""

_HARMLESS = {
    "quick": (("watcher", 4), ("client", 4), ("warden", 1)),
    "redis": (("client", 4), ("server", 4), ("watcher", 1), ("warden", 1)),
    "pgbench": (("client", 2), ("server", 4), ("warden", 1)),
}
_LIVES = ("quick", "quick", "quick", "redis", "redis", "pgbench")
"""Lives in a deck that are hit several times before they are ended."""
_ENDS = (
    ("session", TERM),
    ("session", KILL),
    ("session+guard", KILL),
    ("all", TERM),
    ("guard", KILL),
)


def deal(seed: int) -> Iterator[Life]:
    """Yield lives without end; the same ones for the same seed."""
    number = 0
    while True:
        choose = random.Random(f"{seed} {number}")
        fatal = [card for card, count in _FATAL.items() for _ in range(count)]
        cards: list[tuple[str, tuple[Strike, ...]]] = [
            (_kind(choose, victim), (Strike(victim, how, _aim(choose, victim, how)),))
            for victim, how in fatal
        ]
        cards += [_survivor(choose, kind) for kind in _LIVES]
        cards += [_beside_dashboard(choose) for _ in range(4)]
        choose.shuffle(cards)
        for kind, strikes in cards:
            yield Life(number, kind, strikes)
            number += 1


def _kind(choose: random.Random, victim: str) -> str:
    if victim == "agent":
        return "learner"
    return choose.choices(("quick", "redis", "pgbench"), (90, 8, 2))[0]


def _aim(choose: random.Random, victim: str, how: signal.Signals | str) -> str:
    if victim == "terminal" or how == STOP:
        return choose.choice(("any", "changed", "changed"))
    return choose.choices(AIMS, _FATAL_AIMS)[0]


def _survivor(choose: random.Random, kind: str) -> tuple[str, tuple[Strike, ...]]:
    victims = [victim for victim, count in _HARMLESS[kind] for _ in range(count)]
    signals = (KILL, KILL, TERM, INT, HUP)
    strikes = [
        Strike(choose.choice(victims), choose.choice(signals))
        for _ in range(6 if kind == "quick" else 4)
    ]
    if choose.random() < 0.5:  # one that is frozen holds up the run it belongs to
        strikes.append(Strike(choose.choice(victims), STOP))
    return kind, (*strikes, Strike(*choose.choice(_ENDS)))


def _beside_dashboard(choose: random.Random) -> tuple[str, tuple[Strike, ...]]:
    how = choose.choice((KILL, TERM, INT, HUP, STOP))
    strikes = Strike("client", KILL), Strike("dashboard", how), Strike("watcher", KILL)
    return "quick", (*strikes, Strike(*choose.choice(_ENDS)))
