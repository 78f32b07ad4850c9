"""Numbers and settings as people read them."""

from collections.abc import Mapping

LARGE_RATIO = 2.0


def clock(seconds: float) -> str:
    """Return `seconds` as minutes and seconds.

    >>> clock(92.4), clock(3700)
    ('1:32', '1:01:40')
    """
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def percent(ratio: float) -> str:
    """Return a ratio as a change, or as a factor where that reads better.

    >>> percent(1.104), percent(0.9), percent(3.41)
    ('+10.4 %', '-10.0 %', 'x3.41')
    """
    if ratio >= LARGE_RATIO:
        return f"x{ratio:.3g}"
    return f"{(ratio - 1) * 100:+.1f} %"


def interval(estimate: float, low: float, high: float) -> str:
    """Return an estimate with its interval.

    >>> interval(1.1, 1.05, 1.15)
    '+10.0 % [+5.0 %, +15.0 %]'
    """
    return f"{percent(estimate)} [{percent(low)}, {percent(high)}]"


def setting_text(setting: Mapping[str, int | str]) -> str:
    """Return a setting on one line.

    >>> setting_text({"vm.swappiness": 10})
    'vm.swappiness=10'
    """
    return " ".join(f"{name}={value}" for name, value in setting.items()) or "as found"


def memory(amount: int) -> str:
    """Return an amount of memory in GiB or MiB.

    >>> memory(24 * 1024**3), memory(300 * 1024**2)
    ('24 GiB', '300 MiB')
    """
    gibibytes = amount / 1024**3
    return f"{gibibytes:.3g} GiB" if gibibytes >= 1 else f"{amount / 1024**2:.0f} MiB"


def number(value: float) -> str:
    """Return a measured value with four digits or so, its thousands apart.

    >>> number(14341.2), number(0.0123456), number(998.6)
    ('14,341', '0.01235', '998.6')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def printable(text: str) -> str:
    r"""Return `text` on one line without what steers a terminal or a reader's eye.

    >>> printable("tps\x1b[2J\u202e 1\n2")
    'tps[2J 1 2'
    """
    spaced = "".join(" " if sign in "\n\r\t" else sign for sign in text)
    return "".join(sign for sign in spaced if sign.isprintable())
