"""The tools by the switches, what they refuse and how they say so."""

import anyio
import pytest
from mcp import Client
from tests.mcp_server.conftest import CACHE, MODES, Person, converse, stored, text

from sealtune.toolbox import Toolbox

READING = {
    "inspect_system",
    "list_parameters",
    "describe_parameter",
    "list_benchmarks",
    "explain_result",
    "compare_sessions",
    "what_was_learnt",
    "status",
    "plan_tuning",
}
TUNING = {"start_tuning", "tuning_status", "stop_tuning", "restore"}
KEEPING = {"preview_apply", "apply", "preview_revert", "revert"}
LOOKS = {"tuning_status", "preview_apply", "preview_revert"}


def tools(server):
    async def listed():
        async with Client(server) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    return anyio.run(listed)


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({}, READING),
        ({"allow_tuning": True}, READING | TUNING),
        ({"allow_apply": True}, READING | KEEPING),
        ({"allow_tuning": True, "allow_apply": True}, READING | TUNING | KEEPING),
    ],
)
def test_what_changes_something_is_there_only_by_its_switch(serving, switches, expected):
    """
    Without a switch its tools do not exist; whatever changes nothing is marked so, and only that.
    """
    found = tools(serving(**switches))
    assert set(found) == expected
    reads = {name for name, tool in found.items() if tool.annotations.read_only_hint}
    assert reads == (READING | LOOKS) & expected


def test_a_tool_that_does_not_exist_cannot_be_called(serving, history):
    """
    Calling what the switches left out is an error that names what there is.
    """
    for name in ("start_tuning", "apply", "restore"):
        (answer,) = converse(serving(), (name, {}))
        assert answer.is_error
        assert f"'{name}' is no tool here. Tools: inspect_system," in text(answer)


def test_every_tool_says_what_it_does_and_what_its_arguments_are(serving):
    """
    Each tool has a title, a description, and a description of every argument; no others are taken.
    """
    for name, tool in tools(serving(allow_tuning=True, allow_apply=True)).items():
        assert tool.title, name
        assert len(tool.description) > 60, name
        assert "Args:" not in tool.description
        assert tool.input_schema["additionalProperties"] is False
        for argument, schema in tool.input_schema["properties"].items():
            assert len(schema["description"]) > 10, (name, argument)


def test_the_words_are_those_of_the_toolbox(serving):
    """
    A tool of the toolbox is not described a second time: its docstring is what the client reads.
    """
    found = tools(serving())["list_parameters"]
    first, *_ = Toolbox.list_parameters.__doc__.splitlines()
    assert found.description.startswith(first)
    assert "memory, disk, network" in found.input_schema["properties"]["topic"]["description"]


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("plan_tuning", {"description": CACHE, "minutes": 0}, "minutes: Input should be greater"),
        ("plan_tuning", {"description": CACHE, "minutes": 1e9}, "than or equal to 10080"),
        ("plan_tuning", {"description": CACHE, "trials": "many"}, "trials: Input should be a"),
        ("plan_tuning", {"minuts": 3}, "no argument 'minuts'. Allowed: description, config"),
        ("plan_tuning", {}, "description: empty, and there is no config\nfix: Say what"),
        (
            "plan_tuning",
            {"description": CACHE, "config": {}},
            "not allowed beside it: description",
        ),
        ("plan_tuning", {"config": {}}, "workload_name"),
        ("plan_tuning", {"description": CACHE, "only": ["kernel.panic"]}, "kernel.panic"),
        ("plan_tuning", {"description": "bananas"}, "fix: Say what the machine serves"),
        ("plan_tuning", {"description": CACHE, "benchmark": "dbench"}, "dbench"),
        ("describe_parameter", {}, "name: Field required"),
        (
            "describe_parameter",
            {"name": "kernel.randomize_va_space"},
            "is a security switch\nfix:",
        ),
        ("explain_result", {"session": "nope"}, "the store is empty\nfix:"),
        ("compare_sessions", {"sessions": "a"}, "sessions: Input should be a valid list"),
        ("start_tuning", {"plan": "p"}, "plan: 'p' is no plan; newest first: none was made"),
        ("tuning_status", {}, "no session was started by this server\nfix:"),
        ("tuning_status", {"wait_seconds": 51}, "less than or equal to 50"),
        ("stop_tuning", {"session": "x"}, "no session was started by this server\nfix:"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(serving, tool, arguments, says):
    """
    The answer is an error that names the argument and what is allowed, and no traceback.
    """
    (answer,) = converse(serving(allow_tuning=True), (tool, arguments))
    assert answer.is_error
    assert says in text(answer)
    assert "Traceback" not in text(answer)
    assert "errors.pydantic.dev" not in text(answer)


def test_a_bug_is_told_as_one(serving, monkeypatch):
    """
    An error that nobody meant says where it happened and asks for a report; the server lives on.
    """
    monkeypatch.setattr("sealtune.toolbox.keeping.applied", lambda root: 1 / 0)
    server = serving()
    broken, fine = converse(server, ("status", {}), ("list_parameters", {"topic": "memory"}))
    assert "a bug in sealtune: ZeroDivisionError" in text(broken)
    assert "test_tools.py:" in text(broken)
    assert not fine.is_error


def test_without_leave_to_tune_a_plan_is_only_a_plan(serving):
    """
    The whole plan and its config are shown, and how a person could run it; nothing can be started.
    """
    (answer,) = converse(serving(), ("plan_tuning", {"description": CACHE, "trials": 6}))
    plan = answer.structured_content
    assert plan["plan"] is None
    assert "--allow-tuning" in plan["why_it_cannot_be_started"]
    assert "SIMULATED" in plan["shown"]
    assert plan["config"]["action_space"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "person", [Person("decline"), Person("cancel"), Person(yes=False)], ids=lambda one: one.says
)
def test_a_no_starts_nothing(serving, history, monkeypatch, mode, person):
    """
    A person who declines, closes the form or ticks no is shown the plan, and nothing is done.
    """
    monkeypatch.setattr("sealtune.mcp_server.run.Run", lambda plan: pytest.fail("it was started"))
    person.asked.clear()
    server = serving(allow_tuning=True)
    (planned,) = converse(server, ("plan_tuning", {"description": CACHE, "trials": 6}))
    plan = planned.structured_content["plan"]
    (answer,) = converse(
        server, ("start_tuning", {"plan": plan, "confirm": plan}), person=person, mode=mode
    )
    assert answer.structured_content["started"] is False
    (question,) = person.asked
    assert question.startswith(planned.structured_content["shown"])
    assert "Start?" in question
    with history() as store:
        assert store.sessions() == ()


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_cannot_ask_has_to_repeat_the_plan(serving, monkeypatch, mode):
    """
    Without a form the plan's name has to be said twice; else nothing starts, and it says how.
    """
    monkeypatch.setattr("sealtune.mcp_server.run.Run", lambda plan: pytest.fail("it was started"))
    server = serving(allow_tuning=True)
    (planned,) = converse(server, ("plan_tuning", {"description": CACHE, "trials": 6}))
    plan = planned.structured_content["plan"]
    for confirm in ({}, {"confirm": "yes"}):
        (answer,) = converse(server, ("start_tuning", {"plan": plan, **confirm}), mode=mode)
        assert answer.is_error
        assert f"confirm='{plan}'" in text(answer)


def test_a_command_of_ones_own_needs_a_person(serving, monkeypatch):
    """
    What an assistant wrote into a config is not run because the assistant says so.
    """
    monkeypatch.setattr("sealtune.mcp_server.run.Run", lambda plan: pytest.fail("it was started"))
    server = serving(allow_tuning=True)
    (planned,) = converse(server, ("plan_tuning", {"description": CACHE, "trials": 6}))
    config = planned.structured_content["config"]
    config |= {"benchmark_command": "/opt/measure.sh --fast", "reward_metric": "score"}
    (own,) = converse(server, ("plan_tuning", {"config": config}))
    assert "/opt/measure.sh --fast" in own.structured_content["shown"]
    plan = own.structured_content["plan"]
    (answer,) = converse(server, ("start_tuning", {"plan": plan, "confirm": plan}))
    assert answer.is_error
    assert "which a person has to allow" in text(answer)
    person = Person("decline")
    converse(server, ("start_tuning", {"plan": plan}), person=person)
    assert "exactly this command:\n  /opt/measure.sh --fast" in person.asked[0]


@pytest.mark.parametrize("mode", MODES)
def test_keeping_asks_shows_the_files_and_can_be_undone(serving, history, root, mode):
    """
    A no writes nothing; a yes writes exactly what was shown; revert, after a yes, removes it.
    """
    server = serving(allow_apply=True)
    session = stored(history)
    unwilling, willing = Person("decline"), Person()
    apply, revert = ("apply", {"session": session}), ("revert", {"name": "redis-cache"})
    (refused,) = converse(server, apply, person=unwilling, mode=mode)
    assert refused.structured_content["applied"] is None
    assert not list((root / "etc").rglob("*sealtune*"))
    (kept,) = converse(server, apply, person=willing, mode=mode)
    (path,) = kept.structured_content["files"]
    assert path in willing.asked[0]
    assert "vm.swappiness = 10" in willing.asked[0]
    (left,) = converse(server, revert, person=unwilling, mode=mode)
    assert left.structured_content["reverted"] is None
    assert list((root / "etc").rglob("*sealtune*"))
    (undone,) = converse(server, revert, person=willing, mode=mode)
    assert undone.structured_content["removed"] == [path]
    assert not list((root / "etc").rglob("*sealtune*"))


def test_keeping_without_a_form_takes_what_the_preview_said(serving, history, root):
    """
    The preview says what to repeat; "last", a wrong word or none keeps nothing.
    """
    server = serving(allow_apply=True)
    session = stored(history)
    (shown,) = converse(server, ("preview_apply", {"session": "last"}))
    confirm = shown.structured_content["confirm"]
    wrong = ({"session": "last", "confirm": "last"}, {"session": session})
    for arguments in (*wrong, {"session": session, "confirm": session}):
        (answer,) = converse(server, ("apply", arguments))
        assert answer.is_error
        assert session in text(answer) or "preview_apply" in text(answer)
    assert not list((root / "etc").rglob("*sealtune*"))
    (kept,) = converse(server, ("apply", {"session": session, "confirm": confirm}))
    assert kept.structured_content["applied"] == "redis-cache"


def test_a_yes_to_what_has_changed_since_keeps_nothing(serving, history, root):
    """
    What the preview said is bound to its text: a conflict that came later needs another look.
    """
    server = serving(allow_apply=True)
    session = stored(history)
    (shown,) = converse(server, ("preview_apply", {"session": session}))
    (root / "etc/sysctl.d/99-zzz.conf").write_text("vm.swappiness = 99\n")
    confirm = shown.structured_content["confirm"]
    (answer,) = converse(server, ("apply", {"session": session, "confirm": confirm}))
    assert answer.is_error
    assert "preview_apply" in text(answer)


def test_what_is_hidden_never_touches_a_config():
    """
    A user called "max" and a host called "net" leave keys and parameter names as they are.
    """
    from sealtune.mcp_server.hiding import in_values

    def hide(value):
        return value.replace("max", "[user]").replace("net", "[host]")

    config = {"action_space": [{"param": "net.core.somaxconn", "max": 4096}], "note": "max said"}
    assert in_values(config, hide) == {**config, "note": "[user] said"}


def test_what_was_not_confirmed_cannot_be_kept(serving, history):
    """
    Nobody is asked about a session without a confirmed gain.
    """
    person = Person()
    session = stored(history, verdict="none")
    (answer,) = converse(serving(allow_apply=True), ("apply", {"session": session}), person=person)
    assert answer.is_error
    assert "fix:" in text(answer)
    assert person.asked == []


def test_a_close_look_waits_while_a_benchmark_runs(serving, monkeypatch):
    """
    What starts programs is refused during a measurement; what costs nothing is answered.
    """
    monkeypatch.setattr("sealtune.mcp_server.run.Runs.measuring", True)
    calls = [("inspect_system", {}), ("plan_tuning", {"description": CACHE}), ("status", {})]
    looked, planned, status = converse(serving(allow_tuning=True), *calls)
    for answer in (looked, planned):
        assert "a session is measuring" in text(answer)
    assert not status.is_error


def test_an_assistant_is_not_told_whose_machine_it_is(serving, history):
    """
    Names, addresses and home directories are taken out of answers, errors and documents; the
    person who is asked sees them.
    """
    telling = "redis on cache7.example.com, dumps in /home/alice/dumps"
    session = stored(history, workload=telling, verdict="none")
    calls = [("status", {}), ("explain_result", {"session": session})]
    calls += [("describe_parameter", {"name": "/home/alice/knob"})]
    server, person = serving(allow_tuning=True), Person("decline")
    answers = converse(server, *calls, ("plan_tuning", {"description": telling, "trials": 6}))

    async def listed():
        async with Client(server) as client:
            return (await client.read_resource("sealtune://sessions")).contents[0].text

    for said in (*map(text, answers), anyio.run(listed)):
        assert "alice" not in said
        assert "cache7" not in said
    plan = answers[-1].structured_content
    assert plan["config"]["description"] == "redis on [host], dumps in [home directory]"
    converse(server, ("start_tuning", {"plan": plan["plan"]}), person=person)
    assert len(person.asked) == 1


def test_sessions_can_be_read_as_documents(serving, history):
    """
    The list, a report as text and the result as JSON; a session that is not there is an error.
    """
    checks = {"guards": [], "bootstrap": [1.06, 1.14], "wilcoxon_p": 0.03}
    seconds = {"total": 9.0, "benchmark": 8.0, "settling": 0.5, "sealtune": 0.4, "start_up": 0.1}
    session = stored(
        history, checks=checks, seconds=seconds, tactician="random", seed=3, foreign=[]
    )

    async def read():
        async with Client(serving()) as client:
            uris = (
                "sealtune://sessions",
                f"sealtune://sessions/{session}/report",
                "sealtune://sessions/last/result",
            )
            found = [(await client.read_resource(uri)).contents[0] for uri in uris]
            with pytest.raises(Exception, match="nope"):
                await client.read_resource("sealtune://sessions/nope/report")
            return [one.text for one in found]

    listed, report, result = anyio.run(read)
    assert session in listed
    assert "Improved: requests per second" in report
    assert f'"session": "{session}"' in result


def test_there_is_a_prompt_to_begin_with(serving):
    """
    It carries the person's words on one line, and asks for their yes.
    """

    async def got():
        async with Client(serving()) as client:
            return await client.get_prompt("tune_this_machine", {"workload": "redis\n\x1b[2J"})

    message = anyio.run(got).messages[0].content.text
    assert message.startswith("Tune this machine for: redis [2J\n")
    assert "after my yes" in message
