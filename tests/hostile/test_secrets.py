"""A marked key: a whole session with a model, a failing one, a conversation, every report."""

import io
import json
import os
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from tests.chat.scene import QUICK, Says
from tests.hostile.judging import run_program
from tests.openai_server import Call, Calls, Error, OpenAIServer, Text
from tests.strategist.model.answers import text as good

from sealtune.benchmarks.process import run_child
from sealtune.benchmarks.workplace import choose_account
from sealtune.errors import ConfigError, SealtuneError
from sealtune.strategist.model.choice import choose_model, find_key
from sealtune.strategist.model.providers import Patience, build
from sealtune.strategist.model.settings import read_settings

KEY = "sk-marked-7Qw9Zr3TnY6uXeVb2KdLpM"
PARTS = (KEY, KEY[3:], KEY[:-6], KEY[10:])
"""The key, and what is left when somebody cuts its ends off."""
DESCRIPTION = "a low-latency redis cache, one client at a time"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own with the key in the environment, and a model on loopback to be named."""
    monkeypatch.setattr("pydantic_ai.models.ALLOW_MODEL_REQUESTS", True)
    monkeypatch.setattr(
        "sealtune.strategist.model.proposal.build",
        partial(build, patience=Patience(seconds=5, whole=5, retries=0)),
    )
    for name, value in {
        "HOME": tmp_path, "XDG_CONFIG_HOME": tmp_path / "config", "SEALTUNE_API_KEY": KEY,
        "SEALTUNE_STORE": tmp_path / "sessions.db", "XDG_STATE_HOME": tmp_path / "state",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    return tmp_path


def leaks(where: Path, *shown: str) -> list[str]:
    """Return where the key, or most of it, stands: in files below `where`, or in texts."""
    found = [str(at) for at, text in enumerate(shown) for part in PARTS if part in text]
    for file in where.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found += [file.name for part in PARTS if part.encode() in content]
    return found


def sent(server: OpenAIServer) -> str:
    """Return all that a service received but the header that is there for the key."""
    assert server.requests
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
    return server.received


def optimized(home: Path, url: str, name: str, *more: str) -> str:
    """Run a whole simulated session with the model at `url`; return what was printed."""
    arguments = ("--dry-run", "--yes", "--trials", "2", "--tactician", "random", "--seed", "1")
    code, out, err = run_program(
        "optimize", DESCRIPTION, *arguments, "--model", f"{url}#marked",
        "--json", str(home / f"{name}.json"), *more,
    )  # fmt: skip
    assert code in (0, 3, 4), err
    return out + err


@pytest.mark.slow
def test_a_session_with_a_model_leaves_the_key_nowhere(home):
    """
    Not in the prompt, the recording, the history, any report or export, nor on the screen.
    """
    with OpenAIServer([Text(good())], then=Text(good())) as server:
        shown = [optimized(home, server.url, "result", "--record", str(home / "talk.jsonl"))]
        received = sent(server)
    for arguments in (
        ("report",), ("report", "--json"), ("report", "--html", str(home / "page.html")),
        ("report", "--markdown", "-o", str(home / "page.md")), ("sessions", "--json"),
        ("export", "--optuna", str(home / "study.db")), ("memory", "list"), ("doctor",),
        ("memory", "export", str(home / "m.json")), ("plan", DESCRIPTION, "--show-prompt"),
        ("memory", "export", str(home / "m.jsonl"), "--format", "sft"), ("status",),
        ("plan", DESCRIPTION, "-o", str(home / "config.json"), "--model", "embedded"),
    ):  # fmt: skip
        _, out, err = run_program(*arguments)
        shown.append(out + err)
    assert "redis" in received
    assert (home / "talk.jsonl").exists()
    assert leaks(home, received, *shown) == []


def test_a_key_that_the_person_typed_is_not_sent(home):
    """
    Pasted into the description by mistake, it is replaced before a model reads it.
    """
    from sealtune.strategist.prompt import get_task_prompt

    assert leaks(home, get_task_prompt(f"redis cache, my key is {KEY}")) == []


@pytest.mark.slow
def test_a_service_that_repeats_the_key_is_not_quoted(home):
    """
    A 401 whose message holds the key: the fallback answers, and nothing repeats the message.
    """
    said = f"Incorrect API key provided: {KEY}. Find yours at https://example.com/keys."
    with OpenAIServer([Error(401, said)], then=Error(401, said)) as server:
        shown = optimized(home, server.url, "failed", "--record", str(home / "failed.jsonl"))
        sent(server)
    assert "refused the key" in " ".join(shown.split())
    assert leaks(home, shown) == []


def test_a_conversation_leaves_the_key_nowhere(home, monkeypatch):
    """
    Neither the service, nor the screen, the record, or what /prompt and /save show, holds it.
    """
    from sealtune.chat.session import Options, hold

    patience = Patience(seconds=5, whole=5, retries=0)
    monkeypatch.setattr("sealtune.chat.session.build", partial(build, patience=patience))
    calls = (Call("inspect_system"), Call("status"), Call("describe_parameter", {"name": "key"}))
    page, file = io.StringIO(), home / "saved.txt"
    things = ("what is my key?", "which benchmarks are there?", "/prompt", f"/save {file}")
    person = Says(*things)
    script = [Calls(calls), Text("I do not know it."), Error(401, f"bad key {KEY}")]
    with OpenAIServer(script, then=Text("No.")) as server:
        asked = Options(
            model=f"{server.url}#marked", dry_run=True, minutes=6, record=home / "chat.jsonl"
        )
        console = Console(file=page, width=80, highlight=False)
        assert hold(asked, person, console, defaults=QUICK) == 0
        assert [part for part in PARTS if part in sent(server)] == []
    assert file.exists()
    assert leaks(home, page.getvalue()) == []


def test_an_assistant_is_not_told_the_key(home):
    """
    Whatever tool of the MCP server is asked about it, the answer does not hold it.
    """
    pytest.importorskip("mcp.server.mcpserver.resolve")
    from tests.mcp_server.conftest import converse, text

    from sealtune.mcp_server.desk import Options, open_desk
    from sealtune.mcp_server.server import build_server

    server = build_server(open_desk(Options(dry_run=True, defaults=QUICK, root=home)))
    answers = converse(
        server,
        ("inspect_system", {}),
        ("plan_tuning", {"description": DESCRIPTION}),
        ("describe_parameter", {"name": KEY}),
        ("explain_result", {"session": KEY}),
        ("what_was_learnt", {"topic": KEY}),
    )
    assert leaks(home, *(text(answer) for answer in answers)) == []


def test_a_benchmark_is_not_told_the_key(home, tmp_path_factory):
    """
    Its environment is made for it, and neither its command line nor its parent's holds a key.
    """
    place = tmp_path_factory.mktemp("open")
    script = "env; cat /proc/$$/cmdline /proc/$PPID/cmdline"
    account = choose_account(())
    done = run_child(["/bin/sh", "-c", script], account=account, cwd=Path("/"), limit=20)
    assert "PATH=" in done.stdout, done.stderr
    assert leaks(place, done.stdout) == []
    assert os.environ["SEALTUNE_API_KEY"] == KEY


def test_a_bug_in_a_tool_does_not_tell_the_key(home):
    """
    An exception whose words hold the key reaches neither the model nor the screen with it.
    """
    from sealtune.chat.agent import told

    try:
        raise ValueError(f"401 for {KEY}")
    except ValueError as error:
        said = told(error)
    assert "a bug in sealtune: ValueError: 401 for" in said["error"]
    assert leaks(home, json.dumps(said)) == []


def test_a_bug_in_a_command_does_not_tell_the_key(home, monkeypatch):
    """
    A traceback that would print the key prints everything else.
    """

    def broken():
        raise ValueError(f"illegal header: Bearer {KEY}")

    monkeypatch.setattr("sealtune.entry.open_store", broken)
    code, out, err = run_program("sessions")
    assert code == 1
    assert "ValueError: illegal header: Bearer [left out]" in err
    assert leaks(home, out, err) == []


CONFIG = f'[model]\nname = "http://127.0.0.1:9/v1#m"\napi_key = "{KEY}"\n'


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_in_a_file_that_others_can_read_is_refused(tmp_path, mode):
    """
    Only mode 600 (or stricter) is taken; the message says chmod 600, and not the key.
    """
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as refused:
        read_settings(file)
    assert KEY not in f"{refused.value} {refused.value.fix}"


def test_a_key_in_a_private_file_is_taken_and_not_shown(tmp_path, monkeypatch):
    """
    Mode 600 of one's own is taken; neither the settings nor the choice shows the key.
    """
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    file.chmod(0o600)
    settings = read_settings(file)
    choice = choose_model(None, {}, file)
    assert find_key(choice, {}, settings) == KEY
    assert KEY not in f"{settings} {choice}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_in_somebody_elses_file_is_refused(tmp_path, monkeypatch):
    """
    A file that another user owns could send the prompts, and the person's trust, elsewhere.
    """
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    file.chmod(0o600)
    os.chown(file, 65_534, -1)
    monkeypatch.delenv("SUDO_UID", raising=False)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_settings(file)
    monkeypatch.setenv("SUDO_UID", "65534")
    assert read_settings(file).api_key == KEY


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "[model]\napi_key = 5", "\x00", "[model]\nx = 1", "model = 3"]
)
def test_a_broken_config_file_is_a_message(tmp_path, text):
    """
    However broken, it is an error with a fix.
    """
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(SealtuneError):
        read_settings(file)
