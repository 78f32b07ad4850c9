"""Strategies that make configs: valid ones, and everything that somebody could do to them."""

import json
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.hostile.vocabulary import (
    COMMANDS,
    HOSTILE_COMMANDS,
    HOSTILE_NAMES,
    HOSTILE_NUMBERS,
    HOSTILE_TEXTS,
)

import sealtune.catalogue

ENTRIES = tomllib.loads(
    Path(sealtune.catalogue.__file__).with_name("knobs.toml").read_text("utf-8")
)["knob"]
_BY_NAME = {entry["name"]: entry for entry in ENTRIES}


def _spellings(entry: dict[str, Any]) -> list[str]:
    name, path = str(entry["name"]), str(entry["path"])
    last = name.rpartition("/")[2].rpartition(".")[2]
    names = [name, path, name.replace(".", "/"), f" {name} ", f"-{name}", last]
    return names + [one.replace("{dev}", dev) for one in (name, path) for dev in ("vda", "sda")]


@st.composite
def _parameter(draw: st.DrawFn, name: str) -> dict[str, Any]:
    entry = _BY_NAME[name]
    spelling = draw(st.sampled_from([name, name, name, *_spellings(entry)]))
    item: dict[str, Any] = {"param": spelling}
    if entry["kind"] == "choice":
        if draw(st.booleans()):
            item["choices"] = draw(
                st.lists(st.sampled_from(entry["choices"]), min_size=1, unique=True)
            )
        return item
    edges = [end if isinstance(end, int) else 4096 for end in (entry["low"], entry["high"])]
    low, high = min(edges), max(edges)
    if draw(st.booleans()):
        reach = st.integers(min_value=max(0, low // 2), max_value=2 * high + 1)
        item["min"], item["max"] = sorted((draw(reach), draw(reach)))
        if item["min"] < item["max"] and draw(st.booleans()):
            item["start"] = draw(st.integers(item["min"], item["max"]))
    if draw(st.booleans()):
        item["why"] = draw(st.sampled_from(HOSTILE_TEXTS[:-6]))
    return item


@st.composite
def valid(draw: st.DrawFn) -> dict[str, Any]:
    """Make a config as a person or a model could well write it."""
    names = draw(st.lists(st.sampled_from(sorted(_BY_NAME)), min_size=1, max_size=6, unique=True))
    config: dict[str, Any] = {
        "workload_name": draw(st.sampled_from(("db", "PostgreSQL OLTP", "caf\u00e9", "\u6e2c"))),
        "reward_metric": "throughput",
        "benchmark_command": draw(st.sampled_from(COMMANDS)),
        "action_space": [draw(_parameter(name)) for name in names],
    }
    if draw(st.booleans()):
        config["state_space"] = ["cpu_usage", {"metric": "io_wait_percent", "source": "/proc"}]
    if draw(st.booleans()):
        config["training_config"] = {"total_timesteps": draw(st.integers(1, 20_000)), "seed": 7}
    if draw(st.booleans()):
        config["guards"] = ["p99", {"metric": "errors", "margin_percent": 0}]
    if draw(st.booleans()):
        config["budget"] = {"trials": draw(st.integers(1, 200))}
    if draw(st.booleans()):
        config["proposals"] = [{item["param"]: 10} for item in config["action_space"][:2]]
    if draw(st.booleans()):
        config["curriculum"] = [[item["param"] for item in config["action_space"]]]
    return config


def _nested(depth: int, *, objects: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if objects else [value]
    return value


_JUNK = st.one_of(
    st.none(),
    st.sampled_from(HOSTILE_NUMBERS),
    st.sampled_from(HOSTILE_TEXTS),
    st.sampled_from(HOSTILE_NAMES),
    st.integers(),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
    st.builds(_nested, st.sampled_from((2, 50, 400)), objects=st.booleans()),
    st.sampled_from(("x",) * 3).map(lambda text: [text] * 2000),
)
_FIELDS = (
    *("workload_name", "reward_metric", "benchmark_command", "action_space", "state_space"),
    *("training_config", "guards", "reward", "budget", "benchmark_output", "workload_class"),
    *("description", "proposals", "curriculum", "strategist", "notices"),
)
_ITEM_FIELDS = ("param", "min", "max", "choices", "scale", "start", "focus", "why", "confidence")
_OUTPUTS = (
    {"pattern": "(a+)+$"},
    {"pattern": "("},
    {"pattern": "(" * 400},
    {"json_path": "__class__.__init__"},
    {"pattern": "(x)", "json_path": "a"},
    {"unit": "\x1b[2J"},
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Make a valid config and do one to three hostile things to it."""
    config = draw(valid())
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("command", "name", "item", "field", "lose", "add", "other")))
        items = config.get("action_space")
        item = items[0] if isinstance(items, list) and items else {}
        if kind == "command":
            config["benchmark_command"] = draw(_command())
        elif kind == "name" and isinstance(item, dict):
            item["param"] = draw(st.sampled_from(HOSTILE_NAMES))
        elif kind == "item" and isinstance(item, dict):
            item[draw(st.sampled_from(_ITEM_FIELDS))] = draw(_JUNK)
        elif kind == "field":
            config[draw(st.sampled_from(_FIELDS))] = draw(_JUNK)
        elif kind == "lose" and config:
            del config[draw(st.sampled_from(sorted(config)))]
        elif kind == "add":
            config[draw(st.sampled_from(("guard", "apply", "yes", "__proto__", "\x00")))] = draw(
                _JUNK
            )
        else:
            config |= draw(st.sampled_from([{"benchmark_output": one} for one in _OUTPUTS]))
    return config


@st.composite
def _command(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(st.sampled_from(HOSTILE_COMMANDS))
    first = draw(st.sampled_from(COMMANDS)).split()
    second = draw(st.sampled_from(HOSTILE_COMMANDS)).split()
    words = draw(st.lists(st.sampled_from([*first[1:], *second[1:], "run"]), max_size=6))
    return " ".join([draw(st.sampled_from([first[0], second[0] if second else "x"])), *words])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Make the bytes of a config file: of a valid config, a mutated one, or no JSON at all."""
    kind = draw(st.sampled_from(("valid", "mutated", "mutated", "mutated", "mutated", "raw")))
    config = draw(valid() if kind == "valid" else mutated())
    text = json.dumps(config, ensure_ascii=draw(st.booleans()))
    if kind != "raw":
        return text.encode("utf-8", "surrogatepass")
    return draw(st.sampled_from(_SPOILERS))(text)


def _yaml(text: str) -> bytes:
    return "\n".join(f"{key}: {value}" for key, value in json.loads(text).items()).encode(
        "utf-8", "surrogatepass"
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_SPOILERS = (
    lambda text: b"\xef\xbb\xbf" + _utf8(text),
    lambda text: text.encode("utf-16", "surrogatepass"),
    lambda text: text.encode("utf-32", "surrogatepass"),
    lambda text: text.encode("latin-1", "replace") + b"\xe9\xff",
    lambda text: _utf8(text)[: len(text) // 2],
    lambda text: _utf8(text) + b"}",
    lambda text: _utf8(text) * 2,
    lambda text: _utf8(text).replace(b'"', b"'"),
    lambda text: _utf8(text).replace(b":", b":\x00", 1),
    lambda text: b"\x00" * 1000,
    lambda text: b"",
    lambda text: b" \n",
    lambda text: b"null",
    lambda text: b"[" + _utf8(text) + b"]",
    lambda text: b'"' + b"a" * 900_000 + b'"',
    lambda text: _utf8(text)[:-1] + b', "workload_name": "twice"}',
    lambda text: _utf8(text)[:-1] + b', "budget": {"minutes": NaN}}',
    lambda text: _utf8(text)[:-1] + b', "budget": {"minutes": -Infinity}}',
    lambda text: _utf8(text)[:-1] + b', "budget": {"minutes": 1e999}}',
    lambda text: _utf8(text)[:-1] + b', "budget": {"trials": ' + b"9" * 4000 + b"}}",
    lambda text: _utf8(text)[:-1] + b', "budget": {"trials": ' + b"9" * 5000 + b"}}",
    lambda text: _utf8(text)[:-1] + b', "guards": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    lambda text: _utf8(text)[:-1] + b', "guards": ' + b'{"a":' * 970 + b"1" + b"}" * 970 + b"}",
    lambda text: b"[" * 100_000,
    lambda text: b'{"a":' * 100_000,
    lambda text: b"{" + b",".join(b'"k%d":1,"k%d":1' % (n, n) for n in range(30_000)) + b"}",
    lambda text: _utf8(text)[:-1] + b', "curriculum": [[' + b'"vm.x",' * 90 + b'"vm.y"]]}',
    lambda text: b'{"description": "' + b"A" * 50_000_000 + b'"}',
    lambda text: b"---\nworkload_name: !!python/object/apply:os.system ['id']\n",
    _yaml,
    lambda text: text.encode("utf-7", "replace"),
    lambda text: bytes(range(256)) * 10,
)  # fmt: skip
"""What is done to a text so that it is no proper JSON any more."""
