"""A prior leads every tactician, and the trials overrule it."""

import numpy as np
import pytest
from bench.synthetic import machines

from sealtune.errors import ConfigError
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below, Space
from sealtune.tactician import TACTICIANS, PolicyOptions, Prior, prepare_tactician, search
from sealtune.tactician.guided import phases
from sealtune.tactician.names import how_to_install
from sealtune.tactician.policy import Policy
from sealtune.tactician.ppo import PolicySampler
from sealtune.tactician.prior import FocusBox

SPACE = Space(
    [
        IntKnob("a", 0, 100, start=60),
        IntKnob("b", 1, 10**6, scale="log"),
        ChoiceKnob("c", ["x", "y"]),
    ]
)
HERE = [name for name in TACTICIANS if how_to_install(name) is None]
QUICK = [name for name in HERE if name not in {"gp", "smac", "hebo"}]  # they think too long
FOCUS = Prior({"a": 20, "b": 100}, focus={"a": (10, 30), "b": (30, 300)})


def settings_of(result):
    return [trial.setting for trial in result.trials]


def some_hill(setting):
    return 100.0 - abs(setting["a"] - 20) + (5.0 if setting["c"] == "y" else 0.0)


@pytest.mark.parametrize("tactician", HERE)
def test_start_and_proposals_come_first(tactician):
    """The start, then each proposal completed by it, then the tactician's own, all valid."""
    prior = Prior({"a": 30}, proposals=({"b": 10, "c": "y"}, {"a": 5}))

    tried = settings_of(search(SPACE, some_hill, 12, tactician=tactician, prior=prior, seed=1))

    start = {**SPACE.start, "a": 30}
    assert [start, {**start, "b": 10, "c": "y"}, {**start, "a": 5}] == tried[:3]
    assert 12 == len(tried)
    assert len({tuple(setting.items()) for setting in tried[3:]}) > 3


def test_a_proposal_is_repaired_and_tried_once():
    """Out of range is clipped, couplings are kept, and what is already there is not repeated."""
    space = Space([IntKnob("low", 0, 50), IntKnob("high", 5, 80)], [Below("low", "high")])
    prior = Prior(
        {"low": 10, "high": 40},
        proposals=({"low": 99}, {"low": 10}, {"low": 45, "high": 20}, {"low": 39, "high": 40}),
    )

    known = prior.within(space)

    assert ({"low": 39, "high": 40}, {"low": 19, "high": 20}) == known.proposals


@pytest.mark.parametrize("part", ["start", "focus", "proposals", "stages"])
def test_a_prior_of_another_space_is_refused(part):
    """Each part that names an unknown knob is an error that names it."""
    wrong = {"start": {"z": 1}, "focus": {"z": (1, 2)}, "proposals": ({"z": 1},)}
    prior = Prior(**{part: wrong.get(part, (("z",),))})

    with pytest.raises(ConfigError, match="prior: z not among a, b, c"):
        search(SPACE, some_hill, 5, tactician="random", prior=prior)


@pytest.mark.parametrize("tactician", QUICK)
def test_a_curriculum_grows_stage_by_stage(tactician):
    """Only the knobs of the stages reached vary, for 60 % of the trials at most; then all do."""
    prior = Prior({"a": 30}, stages=(("b",), ("c",)))
    start = {**SPACE.start, "a": 30}

    tried = settings_of(search(SPACE, some_hill, 30, tactician=tactician, prior=prior, seed=2))

    assert all((30, start["c"]) == (one["a"], one["c"]) for one in tried[:9])
    assert len({one["b"] for one in tried[:9]}) > 3
    assert all(one["a"] == 30 for one in tried[:18])
    assert len({one["c"] for one in tried[9:18]}) == 2
    assert len({one["a"] for one in tried[18:]}) > 1
    assert 30 == len(tried)


@pytest.mark.parametrize(
    ("stages", "trials", "expected"),
    [
        ((), 10, [3]),
        ((("a", "b", "c"),), 10, [3]),
        ((("a",),), 10, [1, 3]),
        ((("a",), ("a",)), 10, [1, 3]),
        ((("a",), ("b",), ("c",)), 30, [1, 2, 3]),
        ((("a",), ("b",)), 2, [3]),
    ],
)
def test_stages_share_the_trials(stages, trials, expected):
    """Equal shares; what adds nothing is no stage; too few trials for stages means none."""
    found = phases(SPACE, stages, trials)

    assert expected == [len(phase.names) for phase in found]
    assert trials == sum(phase.trials for phase in found)
    before = [phase.trials for phase in found[:-1]]
    assert sum(before) <= 0.6 * trials
    assert len(set(before)) <= 1


def test_a_curriculum_takes_what_it_learnt_along():
    """The last stage begins at the best of the stages before it, not at the start again."""
    prior = Prior({"a": 60, "b": 1, "c": "x"}, stages=(("a",),))
    tactician = prepare_tactician("ppo", SPACE, 20, prior=prior, seed=0)
    for _ in range(10):
        setting = tactician.ask()
        tactician.tell(setting, some_hill(setting))

    assert abs(tactician.ask()["a"] - 20) < 20


@pytest.mark.parametrize("tactician", QUICK)
def test_a_guided_search_goes_on_where_it_was_interrupted(tactician):
    """Proposals that were measured are not run again, and the stage is the one it was in."""
    prior = Prior({"a": 30}, proposals=({"b": 10}, {"b": 20}), stages=(("b",),))
    first = search(SPACE, some_hill, 8, tactician=tactician, prior=prior, seed=1)
    whole = prepare_tactician(tactician, SPACE, 20, prior=prior, seed=5)

    result = search(
        SPACE, some_hill, 20, tactician=whole, prior=prior, seed=5, history=first.trials[:2]
    )

    tried = settings_of(result)
    assert 1 == tried.count({**SPACE.start, "a": 30, "b": 10})
    assert 1 == tried[2:].count({**SPACE.start, "a": 30, "b": 20})
    assert all(one["a"] == 30 for one in tried[:10])
    assert len({one["a"] for one in tried[10:]}) > 1


def test_a_hopeless_stage_is_left_all_the_same():
    """Failures alone do not keep the later stages out."""
    prior = Prior(proposals=({"a": 5},), stages=(("a",),))
    tactician = prepare_tactician("tpe", SPACE, 10, prior=prior, seed=0)
    for _ in range(9):
        tactician.tell(tactician.ask(), None)

    assert tactician.ask().keys() == set(SPACE.names)


@pytest.mark.parametrize("tactician", ["ppo", "ppo-only"])
def test_most_of_the_first_batch_lies_in_the_focus(tactician):
    """Two thirds inside, the choice kept; a third all over the space; the start once more."""
    wide = Space([*SPACE.knobs, *(IntKnob(f"k{i}", 0, 9) for i in range(5))])
    box = FocusBox(wide, FOCUS.focus, {**wide.start, **FOCUS.start})
    made = prepare_tactician(tactician, wide, 60, prior=FOCUS, seed=3)
    batch = [made.ask() for _ in range(10)]

    inside = box.holds(np.array([wide.encode(one) for one in batch]))

    assert batch[0] == batch[9] == {**wide.start, **FOCUS.start}
    assert inside[1:7].all()
    assert not inside[7:9].all()
    assert {one["c"] for one in batch[1:7]} == {wide.start["c"]}


def test_the_first_policy_is_as_wide_as_the_focus():
    """Narrow where the focus is narrow, the usual width where there is none."""
    made = PolicySampler(
        "ppo",
        SPACE,
        {**SPACE.start, **FOCUS.start},
        trials=40,
        seed=0,
        focus=FocusBox(SPACE, {"a": (15, 25)}, {**SPACE.start, **FOCUS.start}),
    )

    spread = made._policy.gaussian()[1]

    assert spread[0] < 0.2 < spread[1]
    assert [0.4, 0.4] == pytest.approx(Policy(2, PolicyOptions(), 0).gaussian()[1].tolist())


@pytest.mark.parametrize("tactician", ["ppo", "ppo-only"])
@pytest.mark.parametrize(("best", "forgotten"), [(20, False), (90, True)])
def test_a_focus_that_the_trials_contradict_is_forgotten(tactician, best, forgotten):
    """When the first batch is best elsewhere, the policy starts afresh there; else it stays."""
    space = Space([IntKnob("a", 0, 100), IntKnob("b", 0, 100)])
    prior = Prior({"a": 20, "b": 50}, focus={"a": (10, 30)})
    made = prepare_tactician(tactician, space, 60, prior=prior, seed=1)
    for _ in range(9):
        setting = made.ask()
        made.tell(setting, -float(abs(setting["a"] - best)))

    assert forgotten == bool(made._start[0] > 0.5)


def test_a_focus_that_means_nothing_here_changes_nothing():
    """Outside the range, or on a choice: the search is the one without it."""
    without, *others = (
        settings_of(search(SPACE, some_hill, 8, prior=Prior({"a": 30}, focus=part), seed=4))
        for part in ({}, {"a": (200, 300)}, {"c": (0, 1)}, {"a": (-50, -1)})
    )

    assert others == [without] * 3


@pytest.mark.slow
def test_a_misleading_prior_costs_little_on_development_machines():
    """Start, focus and proposal at the worst place: at 60 trials at most 10 % of the gain."""
    lost = []
    for seed in range(1000, 1003):
        _, here = machines("smooth", seed, "like")
        rows = np.random.default_rng([seed, 5]).random((40, len(here.space)))
        worst = min((here.space.decode(row) for row in rows), key=here.speed)
        at = here.space.encode(worst)
        focus = {
            knob.name: (knob.decode(place - 0.15), knob.decode(place + 0.15))
            for knob, place in zip(here.space.knobs, at, strict=True)
        }
        shares = [
            here.share(
                search(here.space, here.measure(seed), 60, prior=prior, seed=1).best_setting
            )
            for prior in (None, Prior(worst, focus, (worst,)))
        ]
        lost.append(shares[0] - shares[1])

    assert np.mean(lost) <= 0.10


@pytest.mark.parametrize("tactician", QUICK)
def test_a_stage_brings_along_what_its_knobs_depend_on(tactician):
    """A knob that exists under one choice is searched together with that choice, and canonical."""
    space = Space(
        [
            ChoiceKnob("scheduler", ["none", "deadline"], start="none"),
            IntKnob("expire", 50, 1000, start=500, when=("scheduler", ("deadline",))),
            IntKnob("ahead", 0, 100, start=20),
        ]
    )

    def speed(setting):
        return 100.0 + (setting["scheduler"] == "deadline") * setting["expire"] / 20

    tried = [
        trial.setting
        for trial in search(
            space, speed, 20, tactician=tactician, prior=Prior(stages=(("expire",),)), seed=1
        ).trials
    ]

    assert all(space.repair(setting) == setting for setting in tried)
    assert {"none", "deadline"} == {setting["scheduler"] for setting in tried}
    assert all(setting["ahead"] == 20 for setting in tried[:10])
