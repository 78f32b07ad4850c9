"""From a command line to a spec: known, the person's own, unknown, and meant for a shell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.benchmarks import adapter_names, create_adapter, parse_command
from sealtune.errors import ConfigError

CATALOGUE = {
    "pgbench -c 4 -j 2": ("pgbench", {"clients": 4, "jobs": 2}),
    "pgbench -S -c 2 -j 2": ("pgbench", {"mode": "select", "clients": 2, "jobs": 2}),
    "pgbench -N -c8 --jobs=2": ("pgbench", {"mode": "simple", "clients": 8, "jobs": 2}),
    "sysbench cpu --threads=2 run": ("sysbench", {"test": "cpu", "threads": 2}),
    "sysbench memory --memory-block-size=4K run": (
        "sysbench",
        {"test": "memory", "memory-block-size": "4K"},
    ),
    "sysbench threads --threads 8 run": ("sysbench", {"test": "threads", "threads": 8}),
    "sysbench fileio --file-test-mode=rndrw --file-total-size=256M run": (
        "sysbench",
        {"test": "fileio", "file-test-mode": "rndrw", "file-total-size": "256M"},
    ),
    "redis-benchmark -t get -c 1 -d 100 -P 16 -r 100000": (
        "redis",
        {"test": "get", "clients": 1, "bytes": 100, "pipeline": 16, "keys": 100000},
    ),
    "ab -c 10": ("ab", {"clients": 10}),
    "/usr/bin/ab -k -c 10": ("ab", {"clients": 10, "keepalive": True}),
    "sealtune-sqlite": ("sqlite", {}),
    "sealtune-sqlite --synchronous normal --journal wal --mix read": (
        "sqlite",
        {"synchronous": "normal", "journal": "wal", "mix": "read"},
    ),
}


@pytest.mark.parametrize(
    "sign", ["\x1b", "\x07", "\u200b", "\u202e", "\u2066", "\r", "\x85", "\u2028", "\t", "\x00"]
)
@pytest.mark.parametrize("command", ["./load.sh '{}'", "pgbench -c 4 -P '{}'", "pgbench{} -c 4"])
def test_what_is_approved_can_be_seen(command: str, sign: str) -> None:
    """No character of a command hides from whoever says yes to it; the error shows which did."""
    with pytest.raises(ConfigError) as caught:
        parse_command(command.format(sign))
    assert repr(sign) in str(caught.value)
    assert all(one.isprintable() for one in str(caught.value))


@pytest.mark.parametrize("text", CATALOGUE)
def test_catalogue_commands_need_no_approval(text: str) -> None:
    """The commands that the strategist writes become their adapter, without a question."""
    spec = parse_command(text)
    assert (spec.name, spec.options) == CATALOGUE[text]
    assert spec.command == text
    assert spec.approval is None
    assert create_adapter(spec).name == spec.name


@pytest.mark.parametrize("name", ["pgbench", "sysbench", "redis", "ab", "sqlite", "fio", "perf"])
def test_an_adapters_name_is_a_command(name: str) -> None:
    """The bare name of an adapter means its defaults."""
    assert parse_command(name).name == name
    assert name in adapter_names()


def test_the_first_architecture_document() -> None:
    """Sudo and -t are dropped with a notice; the named database waits for approval."""
    spec = parse_command("sudo -u postgres pgbench -c 10 -t 1000 postgres")
    assert (spec.name, spec.options) == ("pgbench", {"clients": 10})
    assert spec.target == {"database": "postgres"}
    assert "database postgres" in str(spec.approval)
    assert "private throwaway cluster" in str(spec.approval)
    assert [notice[:12] for notice in spec.notices] == ["sudo -u post", "-t 1000 repl"]


def test_the_second_architecture_document() -> None:
    """Clients, jobs and the database are read; -T is the session's to decide."""
    spec = parse_command("pgbench -c 50 -j 4 -T 30 testdb")
    assert spec.options == {"clients": 50, "jobs": 4}
    assert spec.target == {"database": "testdb"}
    assert spec.notices == ("-T 30 replaced by the run length of the session",)


def test_approval_makes_the_target_real() -> None:
    """Only after approval do the options name the person's database."""
    spec = parse_command("pgbench -h db.example -p 6432 -U app shop").approved()
    assert spec.approval is None
    assert spec.target == {}
    assert spec.options == {
        "host": "db.example",
        "port": "6432",
        "user": "app",
        "database": "shop",
    }


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("redis-benchmark -h 10.0.0.5 -p 6380 -t get", {"host": "10.0.0.5", "port": "6380"}),
        ("redis-benchmark -s /run/redis.sock", {"socket": "/run/redis.sock"}),
        ("ab -n 1000 -c 10 'http://localhost/?a=1&b=2'", {"url": "http://localhost/?a=1&b=2"}),
    ],
)
def test_own_servers_wait_for_approval(text: str, target: dict[str, str]) -> None:
    """A server of the person's is measured only after approval."""
    spec = parse_command(text)
    assert spec.approval is not None
    assert spec.target == target
    assert not target.keys() & spec.options.keys()


@pytest.mark.parametrize(
    "text",
    [
        "./run-my-benchmark.sh --fast",
        "pgbench -f evil.sql -c 2",
        "/tmp/pgbench -c 4",
        "sysbench oltp_read_write run",
        "su - postgres -c 'pgbench -c 10'",
    ],
)
def test_whatever_no_adapter_knows_asks_first(text: str) -> None:
    """Unknown tools, unknown options and look-alikes outside the system become custom."""
    spec = parse_command(text)
    assert spec.name == "custom"
    assert spec.approval is not None
    assert spec.command == text


@pytest.mark.parametrize(
    "text",
    [
        "pgbench -c 4 | tee out",
        "pgbench -c 4 > out",
        "pgbench -c 4; rm -rf /",
        "pgbench -c 4 && reboot",
        "pgbench -c $(nproc)",
        "pgbench -c `nproc`",
        'pgbench -c "$(nproc)"',
        "pgbench -c 4 &",
        "pgbench\nreboot",
    ],
)
def test_shell_syntax_is_refused(text: str) -> None:
    """Nothing goes through a shell, and the error says what to do instead."""
    with pytest.raises(ConfigError, match="name the script"):
        parse_command(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("pgbench 'oops", "quotation"),
        ("sudo -u postgres", "sudo without"),
        ("pgbench -c", "needs a value"),
        ("pgbench -c 0", "whole number from 1"),
        ("pgbench -c many", "whole number from 1"),
        ("pgbench -c 99999999", "whole number from 1"),
        ("sealtune-sqlite --mix both", "allowed are write, read"),
    ],
)
def test_bad_values_name_the_field(text: str, said: str) -> None:
    """Empty, unbalanced, out of range: refused with the field and what is allowed."""
    with pytest.raises(ConfigError, match=said):
        parse_command(text)


@given(st.text(max_size=60))
def test_any_text_becomes_a_spec_or_an_error_of_ours(text: str) -> None:
    """No input crashes the parser, and what is unknown always carries a question."""
    try:
        spec = parse_command(text)
    except ConfigError:
        return
    assert spec.name in adapter_names()
    assert spec.name != "custom" or spec.approval
