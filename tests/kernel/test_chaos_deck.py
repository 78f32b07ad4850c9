"""What the chaos series does to whom, and how it counts; nothing is killed here."""

import itertools
import json

from tests.kernel.chaos.__main__ import read, table
from tests.kernel.chaos.deck import AIMS, deal
from tests.kernel.chaos.kills import Kill


def test_a_thousand_kills_hit_everybody_in_every_way_at_every_moment():
    """
    Each kind of process is killed, frozen and told to end, and each aim is taken.
    """
    strikes = [s for life in itertools.islice(deal(1), 800) for s in life.strikes]
    assert len(strikes) >= 1000
    everybody = {"session", "guard", "watcher", "client", "server", "agent", "dashboard"}
    signals = {"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGSTOP"}
    hit = {(strike.victim, strike.signal_name) for strike in strikes}
    for victim in everybody - {"agent"}:
        assert {name for who, name in hit if who == victim} >= signals, victim
    assert {who for who, _ in hit} >= everybody | {"session+guard", "all", "tree", "group"}
    assert ("terminal", "closed") in hit
    assert {strike.aim for strike in strikes} == set(AIMS)


def test_the_same_seed_deals_the_same_lives():
    """
    A series can go on where it stopped, and be repeated.
    """
    first, again, other = (list(itertools.islice(deal(seed), 100)) for seed in (3, 3, 4))
    assert first == again != other


def test_what_was_cut_off_is_no_kill_and_the_table_counts_what_is_late(tmp_path):
    """
    A line that a crash cut in half is left out; a kill that is undone late is not in time.
    """
    kills = [
        Kill(0, "quick", "guard", "SIGKILL", "any", changed=3, seconds=0.5),
        Kill(1, "quick", "guard", "SIGKILL", "any", seconds=float("inf"), problems=["never"]),
        Kill(2, "redis", "client", "SIGTERM", "changed", changed=1),
    ]
    lines = [json.dumps(kill.as_dict()) for kill in kills]
    path = tmp_path / "kills.jsonl"
    path.write_text("\n".join([*lines, lines[0][:40]]))
    assert read(path) == kills
    text = table(kills)
    assert "guard          SIGKILL      2       1       2       1     1" in text
    assert "client         SIGTERM      1       1       0       0     1   goes on" in text
