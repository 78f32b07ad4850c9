"""What a search costs: every trial is counted, and a broken claim is said."""

from bench.search_cpu import Job, around, claim, costs, table


def test_every_trial_of_a_search_has_a_cost():
    """As many numbers as trials, none of them below 0."""
    spent = costs(Job("random", 6, 12, 1000))

    assert len(spent) == 12
    assert min(spent) >= 0.0
    assert sum(spent) > 0.0


def test_a_cell_is_what_a_trial_costs_when_so_much_is_known():
    """Costs that grow are not hidden behind a cheap beginning."""
    growing = [number / 100 for number in range(1, 121)]

    assert around(growing, 30) < around(growing, 60) < around(growing, 120)
    assert around(growing, 120) > 1.1


def test_the_claim_fails_when_it_does_not_hold():
    """0.6 s at the 120th trial break the claim, 0.4 s keep it; others claim nothing."""
    job = Job("ppo", 6, 120, 1000)

    assert claim([job], [[0.0] * 110 + [0.6] * 10]) == (
        False,
        "ppo at 120 trials: 0.600 s at most, claimed 0.5 s: DOES NOT HOLD",
    )
    assert claim([job], [[0.4] * 120])[0]
    assert claim([Job("tpe", 6, 120, 1000)], [[9.0] * 120]) is None
    assert claim([Job("ppo", 6, 60, 1000)], [[9.0] * 60]) is None


def test_the_table_has_a_row_for_each_tactician_and_space():
    """Means over seeds, the most expensive trial in the last column."""
    jobs = [Job("ppo", 6, 20, seed) for seed in (1000, 1001)]
    text = table(jobs, [[0.1] * 20, [0.1] * 19 + [0.3]], [10, 20])

    assert text.count("| ppo ") == 1
    assert "0.1000" in text
    assert text.splitlines()[-1].rstrip(" |").endswith("0.3000")
