"""``sessions``, ``report`` and ``export``, as a person or a script uses them."""

import io
import json
import sys

import pytest
from tests.report.example import result, runs, session

from sealtune.cli import results
from sealtune.errors import InputError
from sealtune.store import NewSession, SqliteStore


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A history with one confirmed session and, before it, a simulated one that failed."""
    path = tmp_path / "sessions.db"
    monkeypatch.setenv("SEALTUNE_STORE", str(path))
    row = session()
    with SqliteStore(path) as store:
        other = store.begin(
            NewSession("a very long workload " * 8 + "naïve\x1b[2J", simulated=True)
        )
        store.finish(other, "failed")
        name = store.begin(NewSession(row.workload, config=row.config, seed=row.seed))
        for run in runs():
            store.add_trial(name, run)
        store.finish(name, "finished", {**result(), "session": name})
    return name


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    encoding = property(lambda self: self._encoding)

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch, *, encoding: str = "utf-8", **environment) -> list[str]:
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in {"COLUMNS": "80", "TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    results.sessions(limit=20)
    return terminal.getvalue().splitlines()


def test_a_terminal_gets_one_line_of_80_columns_a_session(stored, monkeypatch):
    """
    Newest first, with outcome and sparkline; long workloads are cut, dry runs say SIMULATED.
    """
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    head, newest, oldest = on_terminal(monkeypatch, NO_COLOR="1")
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in (head, newest, oldest)]
    assert max(len(line) for line in plain) <= 80
    assert stored in newest
    assert "improved +10.0 %" in newest
    assert "▆·▁█" in newest
    assert "SIMULATED" in oldest


def test_no_color_and_ascii_are_respected(stored, monkeypatch):
    """
    With NO_COLOR nothing is coloured; a terminal that is not UTF-8 gets ASCII alone.
    """
    lines = on_terminal(monkeypatch, encoding="ascii", NO_COLOR="1")
    assert "*x_@" in lines[1]
    assert "\x1b[3" not in "".join(lines)
    assert all(line.isascii() for line in lines[:2])


def test_a_pipe_gets_plain_whole_lines(stored, capsys):
    """
    Nothing is cut and nothing steers a terminal; the search is there too.
    """
    results.sessions(limit=20)
    newest, oldest = capsys.readouterr().out.splitlines()
    assert "▆·▁█" in newest
    assert oldest.count("a very long workload") == 8
    assert "\x1b" not in oldest
    assert oldest.endswith("SIMULATED")


def test_the_report_is_written_as_html_and_as_markdown(stored, tmp_path, capfdbinary):
    """
    To a file or to stdout it is the same document.
    """
    page, text = tmp_path / "report.html", tmp_path / "report.md"
    results.report(html=str(page))
    results.report(markdown=True, output=text)
    results.report(stored, markdown=True)
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert stored in page.read_text("utf-8")
    out = capfdbinary.readouterr().out
    assert f"written: {page}".encode() in out
    assert text.read_bytes() in out


def test_html_on_stdout_is_nothing_but_the_page(stored, capfdbinary):
    """
    A pipe gets UTF-8 whatever the locale: the page says of itself that it is.
    """
    results.report(html="-")
    out = capfdbinary.readouterr().out.decode("utf-8")
    assert out.startswith("<!DOCTYPE html>")
    assert out.endswith("</html>\n")


@pytest.mark.parametrize("wish", ["html", "output"])
def test_a_report_replaces_a_file_only_when_told_to(stored, tmp_path, wish):
    """
    A file that is there stays as it is until ``--force``; a device is no such file.
    """
    path = tmp_path / "notes"
    path.write_text("mine")
    wishes = {"html": str(path)} if wish == "html" else {"markdown": True, "output": path}
    with pytest.raises(InputError, match="there already") as refused:
        results.report(**wishes)
    assert "--force" in refused.value.fix
    assert path.read_text() == "mine"
    results.report(**wishes, force=True)
    assert stored in path.read_text("utf-8")
    results.report(html="/dev/null")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"html": "-", "markdown": True}, "one at a time"),
        ({"html": "-", "output": "x"}, "--output goes with"),
        ({"html": "/nonexistent/report.html"}, "/nonexistent/report.html"),
    ],
)
def test_what_cannot_be_done_is_said(stored, wishes, said):
    """
    A mistake is a message that names the option, and a fix.
    """
    with pytest.raises(InputError, match=said) as refused:
        results.report(**wishes)
    assert refused.value.fix


def test_export_says_how_to_open_what_it_wrote(stored, tmp_path, capsys):
    """
    The study is there, and the line names what opens it; where to is asked for.
    """
    path = tmp_path / "study.log"
    results.export(optuna=path)
    assert f"optuna-dashboard {path}" in capsys.readouterr().out
    assert path.stat().st_size > 0
    with pytest.raises(InputError, match="where"):
        results.export()


def test_the_exported_config_is_that_of_the_session(stored, tmp_path, capsys):
    """
    It is what was stored, the line says how to run it, and nothing is replaced untold.
    """
    path = tmp_path / "again.json"
    results.export(config=path)
    assert session().config == json.loads(path.read_text())
    assert f"sealtune run {path} --seed 13" in capsys.readouterr().out
    with pytest.raises(InputError, match="there already"):
        results.export(config=path)
    results.export(config=path, force=True)
    assert "strategies" not in capsys.readouterr().out


def test_an_export_of_several_strategies_says_what_is_missing(tmp_path, monkeypatch, capsys):
    """
    One file holds one config: that there were others is said, not passed over.
    """
    monkeypatch.setenv("SEALTUNE_STORE", str(tmp_path / "sessions.db"))
    with SqliteStore(tmp_path / "sessions.db") as store:
        store.begin(NewSession("x", config=session().config, arguments={"rivals": [{}, {}]}))
    results.export(config=tmp_path / "one.json")
    assert "2 others are not in the file" in capsys.readouterr().out
    with SqliteStore(tmp_path / "sessions.db") as store:
        store.begin(NewSession("an old one"))
    with pytest.raises(InputError, match="no config"):
        results.export(config=tmp_path / "two.json")


def test_json_of_a_session_is_what_the_session_left(stored, capsys):
    """
    ``report --json`` is the result as it was stored.
    """
    results.report(json_output=True)
    assert stored == json.loads(capsys.readouterr().out)["session"]
