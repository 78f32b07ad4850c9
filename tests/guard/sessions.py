"""What a hostile session may say: for hypothesis, and for atheris from bytes."""

import json
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.guard.fuzz import DISKS, NAMES, Arena, report

from sealtune.catalogue.limits import LIMITS
from sealtune.guard.journal import encode

WORDS = ("start", "apply", "restore", "values", "look", "watch", "rails", "commit", "close", "")
DEVICES = (
    *DISKS,
    "..",
    "../../proc/sys/kernel",
    "vda/queue",
    "{dev}",
    "",
    "vda\0",
    ".",
    "vd\u0430",
)
PATHS = (
    "/proc/sys/kernel/core_pattern",
    "kernel.core_pattern",
    "vm.overcommit_kbytes",
    "/etc/passwd",
    "vm.swappiness\0",
    "VM.SWAPPINESS",
    "vm/swappiness",
    " vm.swappiness",
)
TEXTS = (
    "٣٠",
    "1e1",
    "0x10",
    "-0",
    "+30",
    "30\n31",
    "30 31",
    "\uff13\uff10",
    "nan",
    "--5",
    "[never]",
    "true",
)
NUMBERS = (-1, 0, 1, 10, 30, 60, 150, 151, 2**31, 2**63, 2**64, 10**30, 0.5, 1e308)
CHOICES = (
    "none",
    "kyber",
    "mq-deadline",
    "bfq",
    "always",
    "madvise",
    "never",
    "bbr",
    "cubic",
    "Y",
)
START = b'{"do": "start", "id": 0, "knobs": []}\n'


def spelled(name, device):
    """Return a name with its device in place."""
    return name.replace("{dev}", device)


def near(limit):
    """Return values around the bounds of `limit`, or its choices and what only looks like one."""
    if limit.kind == "choice":
        return (*limit.choices, limit.choices[0].upper(), limit.choices[0] + " x")
    low, high = (bound if isinstance(bound, int) else 67584 for bound in (limit.low, limit.high))
    return low - 1, low, low + 1, (low + high) // 2, high, high + 1, str(high), -high, float(low)


names = st.one_of(
    st.builds(spelled, st.sampled_from(NAMES), st.sampled_from(DISKS)),
    st.builds(spelled, st.sampled_from(NAMES), st.sampled_from(DEVICES)),
    st.sampled_from(PATHS),
    st.text(max_size=20),
)
values = st.one_of(
    st.integers(0, 300),
    st.sampled_from((*NUMBERS, *TEXTS, *CHOICES, True, False, None, float("nan"), float("inf"))),
    st.integers(),
    st.sampled_from(NUMBERS).map(str),
    st.text(max_size=12),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
pairs = st.one_of(
    st.tuples(names, values),
    # Just inside and just outside what is allowed.
    st.sampled_from([(spelled(n, "vda"), v) for n in NAMES for v in near(LIMITS[n])]),
)
settings_asked = st.lists(pairs, max_size=6).map(dict)
likely = st.one_of(
    st.builds(lambda s: {"do": "apply", "setting": s}, settings_asked),
    st.builds(lambda n: {"do": "watch", "knobs": n}, st.lists(names, max_size=4)),
    st.builds(lambda n: {"do": "start", "knobs": n}, st.none() | st.lists(names, max_size=4)),
    st.sampled_from([{"do": word} for word in WORDS]),
    st.builds(lambda x: {"do": "rails", "limits": {"io_full": x, "nothing": x}}, values),
)
anything = st.recursive(
    values, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=4), part)
)
odd = st.one_of(
    st.dictionaries(st.sampled_from(("do", "id", "knobs", "setting", "limits")), anything),
    anything,
)


def line_of(request, number):
    """Return a request as a line."""
    if isinstance(request, dict):
        request = {"id": number, **request}
    return json.dumps(request).encode() + b"\n"


lines = st.one_of(
    st.builds(line_of, likely, st.integers(0, 9)),
    st.builds(line_of, odd, anything),
    st.sampled_from(
        (b"\n", b"\n\n\n", b"{}\n", b"[" * 5000 + b"\n", b"\xff\xfe\n", b"1" * 5000 + b"\n")
    ),
    st.binary(max_size=40),
    # The same key twice: whichever counts, what is written has been judged.
    st.builds(
        lambda a, b: (
            b'{"do":"apply","do":"apply","setting":{"vm.swappiness":%s,'
            b'"vm.swappiness":%s}}\n' % (json.dumps(a).encode(), json.dumps(b).encode())
        ),
        values,
        values,
    ),
)
sessions = st.builds(
    lambda begins, said: (START if begins else b"") + b"".join(said),
    st.integers(0, 9).map(bool),
    st.lists(lines, min_size=1, max_size=8),
)
refusals = st.lists(st.sampled_from(("/proc/sys/vm/swappiness", "/proc/sys/vm/dirty_ratio")))

paths = st.one_of(
    st.sampled_from(("/proc/sys/vm/swappiness", "/sys/block/vda/queue/scheduler", "/etc/passwd")),
    st.sampled_from(("/proc/sys/../../etc/passwd", "/sys", "/proc/sysrq-trigger", "/sysfs/x", "")),
    st.text(max_size=20),
)
held = st.lists(
    st.one_of(
        st.tuples(paths, st.just("a"), st.integers(0, 2), paths, st.lists(paths, max_size=2),
                  st.text(max_size=4), st.none() | st.text(max_size=4)),
        anything,
    ),
    max_size=3,
)  # fmt: skip
fields = {
    "v": st.sampled_from((1, 1, 1, 2, "1")),
    "boot": st.sampled_from(("1-2", "1-2", "..", "")),
}
records = st.one_of(
    st.fixed_dictionaries({**fields, "kind": st.just("batch"), "time": values,
                           "setting": st.dictionaries(st.text(), st.text(), max_size=2) | anything,
                           "files": held}),
    st.fixed_dictionaries({**fields, "kind": st.just("made"), "values": anything}),
    st.fixed_dictionaries({**fields, "kind": st.sampled_from(("undo", "abandon", "x")),
                           "paths": st.lists(paths) | anything}),
    anything,
)  # fmt: skip


def _spoilt(said, how):
    """Return a journal with some of its bytes cut off, or one of them changed."""
    if not said or how < 0:
        return said
    return (
        said[: how % len(said)] if how % 2 else said.replace(said[how % len(said) :][:1], b"x", 1)
    )


journals = st.one_of(
    st.builds(
        lambda said, how: _spoilt(b"".join(encode(one) for one in said), how),
        st.lists(records, max_size=4),
        st.integers(-200, 500),
    ),
    st.binary(max_size=60),
    st.just(encode({"v": 1, "boot": "1-2", "kind": "made", "values": {}})[:-2] + b"[" * 9000),
)


def run_generated(arena, inputs, number):
    """Play `inputs` generated sessions; reproducible by `number`."""

    @seed(number)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(sessions, refusals, journals)
    def one(said, refusing, journal):
        arena.play(said, refusing)
        arena.replay(journal)

    # Hypothesis stops early when it has seen everything, and gives some inputs up: make it whole.
    while arena.seen["inputs"] < inputs:
        one()


def session_from(provider):
    """Return a session that atheris' bytes stand for: raw, or words of the protocol."""
    if provider.ConsumeIntInRange(0, 7) == 0:
        return START + provider.ConsumeBytes(4096)
    said = [START] if provider.ConsumeIntInRange(0, 9) else []
    while provider.remaining_bytes() > 0 and len(said) < 12:
        word = provider.ConsumeIntInRange(0, 2 * len(WORDS) - 1)
        request = {"do": WORDS[word] if word < len(WORDS) else "apply"}
        asked = [_pair(provider) for _ in range(provider.ConsumeIntInRange(0, 4))]
        request["setting"], request["knobs"] = dict(asked), [name for name, _ in asked]
        request["limits"] = {"io_full": asked[0][1]} if asked else {}
        line = line_of(request, len(said))
        if provider.ConsumeIntInRange(0, 9) == 0:  # a torn or twisted one
            cut = provider.ConsumeIntInRange(0, len(line))
            line = line[:cut] + provider.ConsumeBytes(8) + line[cut:]
        said.append(line)
    return b"".join(said)


def _pair(provider):
    kind = provider.ConsumeIntInRange(0, 11)
    known = NAMES[provider.ConsumeIntInRange(0, len(NAMES) - 1)]
    name = spelled(known, DISKS[kind % 2])
    if kind == 0:
        name = spelled(known, DEVICES[provider.ConsumeIntInRange(0, len(DEVICES) - 1)])
    if kind == 1:
        name = provider.ConsumeUnicode(16)
    choice = provider.ConsumeIntInRange(0, 11)
    pool = near(LIMITS[known]) if choice > 3 else (*NUMBERS, *TEXTS, *CHOICES, True, None)
    if choice == 0:
        return name, provider.ConsumeInt(8)
    if choice == 1:
        return name, provider.ConsumeUnicode(12)
    return name, pool[provider.ConsumeIntInRange(0, len(pool) - 1)]


def run_covered(inputs):
    """Let atheris grow sessions by what they reach in the guard; never returns."""
    import atheris

    from sealtune.guard import journal, keeper, rules, server, undo

    for module in (journal, keeper, rules, server, undo):
        _instrument(atheris, module)
    arena, begin = Arena(sys.argv[1]), time.monotonic()

    def one(data):
        provider = atheris.FuzzedDataProvider(data)
        refusing = ["/proc/sys/vm/swappiness"] if provider.ConsumeIntInRange(0, 7) == 0 else []
        arena.play(session_from(provider), refusing)
        arena.replay(data)
        if arena.seen["inputs"] == inputs:
            report(arena, time.monotonic() - begin, "atheris")
            sys.stdout.flush()

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


def _instrument(atheris, module):
    """Instrument every function of `module` where it stands."""
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        for function in vars(value).values() if isinstance(value, type) else [value]:
            function = getattr(function, "fget", None) or getattr(function, "__func__", function)
            if hasattr(function, "__code__"):
                atheris.instrument_func(function)
