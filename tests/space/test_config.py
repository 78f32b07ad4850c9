"""`TuningConfig`: what loads, what is corrected with a notice, what is refused and how."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealtune.errors import ConfigError, KnobError, SealtuneError
from sealtune.space.config import REWARD_METRICS, TuningConfig, load_config

FIRST = {
    "workload_name": "postgresql-optimization",
    "reward_metric": "transactions_per_second",
    "benchmark_command": "sudo -u postgres pgbench -c 10 -t 1000 postgres",
    "action_space": [
        {"param": "vm.swappiness", "min": 0, "max": 100},
        {"param": "vm.dirty_ratio", "min": 5, "max": 80},
        {"param": "vm.dirty_background_ratio", "min": 1, "max": 50},
    ],
    "state_space": ["cpu_usage", "memory_used_percent", "io_wait_percent"],
    "training_config": {"total_timesteps": 10000, "n_steps": 2048, "learning_rate": 0.0003},
}
SECOND = {
    "workload_name": "PostgreSQL OLTP",
    "reward_metric": "transactions_per_second",
    "benchmark_command": "pgbench -c 50 -j 4 -T 30 testdb",
    "action_space": [{"param": "vm.dirty_ratio", "min": 5, "max": 80}],
    "state_space": [{"metric": "cpu_utilization", "source": "/proc/stat"}],
}


def changed(**fields):
    return {**copy.deepcopy(FIRST), **fields}


def with_param(**fields):
    return changed(action_space=[fields])


@pytest.mark.parametrize("document", [FIRST, SECOND], ids=["strings", "objects"])
def test_both_documents_load_as_they_stand(document, tmp_path):
    """Each document loads from an object, from text and from a file, with the same result."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document), "utf-8")
    config = load_config(document)

    assert config == load_config(json.dumps(document)) == load_config(path)
    assert config == load_config(str(path))
    assert document["workload_name"] == TuningConfig(**document).workload_name
    assert "cpu_usage" in config.metrics


@pytest.mark.parametrize("document", [FIRST, SECOND], ids=["strings", "objects"])
def test_a_written_config_reads_back_equal(document):
    """What `to_json` writes, `load_config` reads as the same parameters and settings."""
    config = load_config(document)
    again = load_config(config.to_json())

    assert config.action_space == again.action_space
    assert config.training_config == again.training_config
    assert config.training_config.model_fields_set == again.training_config.model_fields_set
    assert config.state_space == again.state_space


def test_what_nobody_set_is_no_wish_after_reading_it_back():
    """A stored config asks for no number of steps that its author has not asked for."""
    config = load_config({**FIRST, "training_config": {"learning_rate": 0.01}})

    assert load_config(config.to_json()).training_config.model_fields_set == {"learning_rate"}


def test_a_range_wider_than_the_safe_one_is_narrowed_and_said():
    """Too wide a range is cut to what is safe; each cut is told with both ranges."""
    config = load_config(FIRST)
    ranges = {item.param: (item.min, item.max) for item in config.action_space}

    assert (1, 100) == ranges["vm.swappiness"]
    assert (5, 60) == ranges["vm.dirty_ratio"]
    assert any("vm.dirty_ratio: 5..80 narrowed" in notice for notice in config.notices)


def test_steps_that_never_update_are_lowered_and_said():
    """An n_steps above the trials is lowered to fit at least two updates; the cap is told."""
    config = load_config(FIRST)

    assert 2 * config.training_config.n_steps <= config.trial_cap
    assert any("n_steps 2048 lowered" in notice for notice in config.notices)
    assert any("total_timesteps 10000" in notice for notice in config.notices)


def test_a_single_step_is_raised_and_said():
    """An update needs two trials: n_steps is never below, however few the trials."""
    config = load_config(changed(training_config={"n_steps": 1}))

    assert 2 == config.training_config.n_steps
    assert any("n_steps 1 raised to 2" in notice for notice in config.notices)
    for trials in (1, 2, 3):
        few = load_config(changed(training_config={"n_steps": 8}, budget={"trials": trials}))
        assert 2 == few.training_config.n_steps


def test_texts_of_a_config_are_one_line_that_can_be_seen():
    """Whoever wrote a config, nothing in it moves the cursor, hides or adds a line of the plan."""
    wild = "a\x1b[2Jb\n\tc\u202e\u200bd\xa0e"
    document = changed(
        workload_name=wild, description=wild, strategist=wild, notices=[wild], workload_class=wild
    )
    document["action_space"][0] = {**document["action_space"][0], "why": wild}
    config = load_config(document)

    given = [config.workload_name, config.description, config.strategist, config.workload_class]
    tame = "a[2Jb cd e"
    assert [tame] * 6 == [*given, config.notices[0], config.action_space[0].why]
    assert config == load_config(config.to_json())


def test_total_timesteps_and_budget_cap_the_trials():
    """The smallest of total_timesteps, trials and what the minutes have room for wins."""
    few = changed(training_config={"total_timesteps": 30})

    assert 30 == load_config(few).trial_cap
    assert 12 == load_config(changed(budget={"trials": 12})).trial_cap
    assert load_config(changed(budget={"minutes": 5, "trials": 900})).trial_cap < 40


def test_a_guard_without_a_margin_has_the_usual_one_of_its_metric():
    """A bare name gets the margin that suits its noise; an explicit margin stays."""
    guards = ["p99", "p95", {"metric": "p99", "margin_percent": 3}]
    config = load_config(changed(guards=guards))

    assert [20, 10, 3] == [guard.margin_percent for guard in config.guard_list]


REFUSED = [
    (changed(fnord=1), ConfigError, ["fnord", "workload_name"]),
    (changed(reward_metric="speed"), ConfigError, ["reward_metric", *REWARD_METRICS]),
    (changed(workload_name=""), ConfigError, ["workload_name", "at least 1 character"]),
    (changed(action_space=[]), ConfigError, ["action_space", "at least 1 item"]),
    (changed(action_space="vm.swappiness"), ConfigError, ["action_space", "a list"]),
    (changed(state_space=["warp"]), ConfigError, ["state_space[0]", "warp", "cpu_usage"]),
    (changed(state_space=[{"source": "/x"}]), ConfigError, ["state_space[0].metric", "missing"]),
    (changed(guards=["p98"]), ConfigError, ["guards[0]", "p98", "p99"]),
    (changed(reward={"performance": 0, "stability": 0}), ConfigError, ["reward", "above 0"]),
    (changed(reward={"scale": "log"}), ConfigError, ["reward.scale", "baseline", "raw"]),
    (changed(workload_name="\x1b\u200b"), ConfigError, ["workload_name", "at least 1 character"]),
    (changed(proposals=[{"vm.swappiness": "--5"}]), ConfigError, ["proposals[0]", "'--5'"]),
    (changed(proposals=[{"vm.swappiness": "\u0665"}]), ConfigError, ["proposals[0]", "whole"]),
    (changed(budget={"minutes": -1}), ConfigError, ["budget.minutes", "greater than 0"]),
    (changed(training_config={"n_steps": 0}), ConfigError, ["training_config.n_steps", "1"]),
    (changed(training_config={"lr": 1}), ConfigError, ["training_config.lr", "learning_rate"]),
    (with_param(param="vm.swappiness", min=True, max=9), ConfigError, ["[0].min", "whole number"]),
    (with_param(param="vm.swappiness", min=1, max=9.5), ConfigError, ["[0].max", "whole number"]),
    (with_param(param="vm.swappiness", max=float("inf")), ConfigError, ["[0].max", "whole"]),
    (with_param(param="vm.swappiness", lo=1), ConfigError, ["[0].lo", "min", "max", "choices"]),
    (with_param(param="vm.swappiness", min=50, max=10), KnobError, ["min 50", "max 10", "1..150"]),
    (with_param(param="vm.swappiness", min=160, max=190), KnobError, ["above the safe", "1..150"]),
    (with_param(param="vm.swapiness", min=1, max=9), KnobError, ["vm.swapiness", "vm.swappiness"]),
    (with_param(param="kernel.randomize_va_space", min=0, max=2), KnobError, ["never tuned"]),
    (with_param(param="vm.swappiness", choices=["1"]), KnobError, ["choices", "1..150"]),
    (with_param(param="vm.swappiness", min=1, max=9, start=50), KnobError, ["start 50", "1..9"]),
    (
        with_param(param="transparent_hugepage/enabled", min=0, max=1),
        KnobError,
        ["transparent_hugepage/enabled", "always, madvise, never"],
    ),
    (
        with_param(param="transparent_hugepage/enabled", choices=["always", "perhaps"]),
        KnobError,
        ["perhaps", "always, madvise, never"],
    ),
    (
        changed(action_space=[{"param": "vm.swappiness"}, {"param": "/proc/sys/vm/swappiness"}]),
        KnobError,
        ["action_space[1]", "vm.swappiness stands in [0]"],
    ),
]


@pytest.mark.parametrize(("document", "kind", "told"), REFUSED, ids=lambda v: str(v)[:40])
def test_every_refusal_names_the_field_and_what_is_allowed(document, kind, told):
    """A wrong field is refused with our own error, by its place and with what would do."""
    with pytest.raises(kind) as caught:
        load_config(document)

    for part in told:
        assert part in str(caught.value)


def test_all_problems_are_listed_at_once():
    """Two mistakes are told in one message, so that one correction is enough."""
    with pytest.raises(ConfigError) as caught:
        load_config(changed(reward_metric="speed", fnord=1))

    assert "reward_metric" in str(caught.value)
    assert "fnord" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("[1, 2]", "need a JSON object"),
        ('{\n "a": }', "line 2, column 7"),
        ('{"a": 1, "a": 2}', "a twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": ' + "9" * 5000 + "}", "no usable JSON"),
        ("[" * 100_000, "no usable JSON"),
        ("{}", "workload_name: is missing"),
        ("no-such-file.json", "cannot be read"),
        ("bad\0name", "cannot be read"),
    ],
)
def test_what_is_no_config_is_refused_with_its_place(text, told):
    """Bad JSON is refused with line and column, and whatever else is no config in a sentence."""
    with pytest.raises(ConfigError, match=told):
        load_config(text)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    """Bytes that are no UTF-8, a directory and an endless file are refused, not crashed on."""
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00{")
    large = tmp_path / "large.json"
    large.write_text(" " * 1_000_001)

    for path in (binary, large, tmp_path):
        with pytest.raises(ConfigError):
            load_config(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


def attempt(document):
    """Return the config, or the message of the refusal; anything else raised is a defect."""
    try:
        return load_config(document), ""
    except SealtuneError as error:
        return None, str(error)


FIELD = st.sampled_from(
    [*TuningConfig.model_fields, "training_config", "action_space", "state_space"]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(FIELD | st.text(max_size=10), JSON, max_size=5))
def test_any_object_is_a_config_or_a_clear_refusal(fields):
    """Whatever is put into a config, it loads or ends in one of our own errors."""
    config, told = attempt({**FIRST, **fields})

    assert isinstance(config, TuningConfig) or told


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["param", "min", "max", "choices", "scale", "start", "why", "odd"]),
        JSON | st.sampled_from(["vm.swappiness", "transparent_hugepage/enabled", 5, 100, "log"]),
        max_size=5,
    )
)
def test_any_parameter_is_taken_or_clearly_refused(fields):
    """Whatever is put into one parameter, it loads in order or ends in one of our own errors."""
    config, told = attempt(changed(action_space=[fields]))
    items = config.action_space if config else ()

    assert config or told
    assert all(i.min is None or i.max is None or i.min <= i.max for i in items)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60).map(lambda text: "{" + text))
def test_any_text_is_refused_clearly(text):
    """Text that begins like a config and is none ends in a `ConfigError`."""
    with pytest.raises(ConfigError):
        load_config(text)
