"""The doors through which texts of others come in, each with what went wrong behind it."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.hostile import judging

from sealtune.errors import SealtuneError

SECRET = "sk-planted-0123456789abcdefghij"
"""Stands in the environment and in descriptions, and must be in nothing that a model is sent."""


def by_description(text: str) -> list[str]:
    """Let the embedded strategist plan for it, and see what a model would be sent."""
    from sealtune.entry import prepare
    from sealtune.report.text import plan_text
    from sealtune.request import Request
    from sealtune.strategist.prompt import get_task_prompt

    told = get_task_prompt(text + " " + SECRET)
    wrong = ["the secret is sent"] if SECRET in told else []
    wrong += ["the text ends its quotes"] if len(told.splitlines()) != 2 else []
    try:
        plan = prepare(Request(description=text, dry_run=True, use_memory=False, seed=1))
    except SealtuneError as error:
        return wrong + judging.steers(_complaint(error))
    return wrong + judging.dangers_of_plan(plan)[0] + judging.steers(_printed(plan_text(plan)))


def by_config(text: str) -> list[str]:
    """Let it stand in each field of a config."""
    from sealtune.planning import make_plan
    from sealtune.report.text import plan_text
    from sealtune.request import Request
    from sealtune.space.config import load_config

    good: dict[str, Any] = {
        "workload_name": "db",
        "reward_metric": "throughput",
        "benchmark_command": "pgbench -c 4",
        "action_space": [{"param": "vm.swappiness", "min": 1, "max": 100}],
    }
    shown = {"workload_name": text, "description": text, "notices": [text], "strategist": text}
    item = good["action_space"][0]
    wrong = []
    for fields in (
        {"benchmark_command": text},
        {"action_space": [{"param": text}]},
        {"action_space": [{**item, "why": text}], **shown},
        {"action_space": [{**item, "start": text}]},
        {"action_space": [{"param": "transparent_hugepage/enabled", "choices": [text, "always"]}]},
        {"curriculum": [[text]], "proposals": [{text: text}]},
        {"benchmark_output": {"pattern": text}},
        {text: text},
    ):
        try:
            config = load_config({**good, **fields})
            plan = make_plan(Request(config=config, dry_run=True))
        except SealtuneError as error:
            wrong += judging.steers(_complaint(error))
        else:
            wrong += judging.dangers_of_plan(plan)[0] + judging.steers(_printed(plan_text(plan)))
    return wrong


def by_answer(text: str) -> list[str]:
    """Let a model answer it, as it is and in the fields of a good answer."""
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel
    from tests.strategist.model.answers import answer as answered
    from tests.strategist.model.answers import text as good

    from sealtune.benchmarks import parse_command
    from sealtune.space.build import build_space
    from sealtune.strategist.model.proposal import devise

    first = answered()["action_space"][0]
    wrong = []
    for said in (
        text,
        good(action_space=[{**first, "why": text}, *answered()["action_space"][1:]]),
        good(benchmark_command=text),
        good(action_space=[{**first, "param": text}, *answered()["action_space"][1:]]),
        good(workload_class=text, description=text),
    ):
        seen: list[str] = []

        def model(messages: Any, _info: Any, said: str = said, seen: list[str] = seen) -> Any:
            seen.append(repr(messages))
            return ModelResponse(parts=[TextPart(said)])

        task = _task()
        try:
            strategy = devise(task, FunctionModel(model), fallback=_fallback)
        except SealtuneError as error:
            wrong += judging.steers(_complaint(error))
            continue
        config = strategy.config
        built = build_space(config, task.availability)
        present = {item.name: item.available.present for item in built.plan}
        wrong += judging.dangers_of_space(built.space, present, [])[0]
        wrong += judging.dangers_of_command(parse_command(config.benchmark_command))
        whys = "".join(item.why for item in config.action_space)
        wrong += judging.steers(whys + "".join((*strategy.notices, *config.notices)))
        wrong += ["the secret is sent"] if SECRET in "".join(seen) else []
        wrong += [f"asked {len(seen)} times"] if len(seen) > 8 else []
    return wrong


def by_output(text: str) -> list[str]:
    """Let the person's own benchmark print it, with success and without."""
    from sealtune.benchmarks import create_adapter
    from sealtune.benchmarks.base import BenchmarkSpec
    from sealtune.benchmarks.process import Outcome

    places: tuple[dict[str, str], ...] = ({}, {"pattern": "(\\d+)$"}, {"json_path": "score"})
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # the benchmark runs as somebody else
    wrong = []
    for options in places:
        for code in (0, 1):
            outcome = Outcome(code, text + "\n", text if code else "", 0.01)
            adapter = create_adapter(BenchmarkSpec("custom", options, "true"))
            with patch("sealtune.benchmarks.custom.run_child", lambda *_a, _o=outcome, **_k: _o):
                adapter.prepare(folder)
                try:
                    run = adapter.run(0.01)
                finally:
                    adapter.teardown()
            told = run.failure or ""
            wrong += judging.steers(told.replace("\n", "\r"))  # it must be one line
            if code and run.value is not None:
                wrong.append("a failed program gave a value")
            if run.value is not None and not abs(run.value) < float("inf"):
                wrong.append(f"a value of {run.value}")
    shutil.rmtree(folder)
    return wrong


def by_facts(text: str) -> list[str]:
    """Let the machine say it of itself: kernel, distribution, processor, disk."""
    from sealtune.machine.facts import Facts
    from sealtune.report.machine_facts import facts_lines
    from sealtune.strategist.prompt import get_optimization_strategy_prompt

    availability = _task().availability
    fields = {"kernel", "distribution", "cpu_model", "virtualisation", "cpuidle_governor"}

    def prompt(word: str) -> str:
        facts = Facts(**{"filesystem": word, **dict.fromkeys(fields, word)})
        return get_optimization_strategy_prompt(facts, availability)

    wrong = judging.steers(prompt(text))
    if len(prompt(text).splitlines()) != len(prompt("plain").splitlines()):
        wrong.append("the text begins a line of the prompt")
    facts_lines(Facts("6.1", **dict.fromkeys(fields - {"kernel"}, text)).as_dict())
    return wrong


def by_memory(text: str) -> list[str]:
    """Let an earlier session, which looks like this one, say it in each of its fields."""
    from tests.strategist.memory.past import CACHE, DESCRIPTION, POLL, SWAP, config, param, past

    from sealtune.planning import make_plan, task_of
    from sealtune.report.text import plan_text
    from sealtune.request import Request
    from sealtune.strategist.memory import memory_sentences
    from sealtune.strategist.prompt import get_optimization_strategy_prompt

    facts = task_of(Request(description=DESCRIPTION)).facts.as_dict()
    names = [param(POLL, 0, 200_000), param(SWAP, 1, 100), param(CACHE, 10, 400)]
    effect = {"kept": True, "effect": text, "best": text}
    experiences = [
        past(facts=facts, description=text, id=text, strategist=text, failed=({text: text},),
             originals={text: text}, config=config(benchmark_command=text, action_space=names)),
        past(facts=facts, setting={text: text, SWAP: 10**12, POLL: -5},
             effects={text: effect, SWAP: effect, POLL: effect},
             config=config(action_space=[param(text, 0, 10**12), *names])),
        past(facts={**facts, "kernel": text, "disk": text, "cpus": text}, setting={SWAP: text},
             effects={SWAP: effect}),
    ]  # fmt: skip
    wrong = []
    for number, one in enumerate(experiences):
        known = [dataclasses.replace(one, session=f"20261101-0900-{number:02}"), *_others(one)]
        request = Request(description=DESCRIPTION, dry_run=True, seed=1)
        try:
            plan = make_plan(request, experiences=known)
        except SealtuneError as error:
            wrong += judging.steers(_complaint(error))
        else:
            wrong += judging.dangers_of_plan(plan)[0] + judging.steers(_printed(plan_text(plan)))
        task = task_of(request, known)
        sentences = memory_sentences(task)
        told = get_optimization_strategy_prompt(task.facts, task.availability, sentences)
        usual = get_optimization_strategy_prompt(task.facts, task.availability).splitlines()
        wrong += judging.steers(told)
        lines = [line for line in told.splitlines() if line and line not in usual]
        wrong += [f"begins a line: {line[:60]}" for line in lines if line in text]
    return wrong


def by_chat(text: str) -> list[str]:
    """Let the person paste it, let the model say it, and let it stand in calls of tools."""
    from pydantic_ai.models.function import FunctionModel
    from tests.chat.scene import Scene, call, scripted

    from sealtune.chat.embedded import answer, stream
    from sealtune.entry import open_store

    calls: list[Any] = [
        call("explain_result", session=text),
        call("describe_parameter", name=text),
        call("what_was_learnt", topic=text),
        call("propose_config", description=text, only=[text]),
        call("optimize_workload", config_json=text),
        call("apply_permanently", session=text),
        call("revert", name=text),
        call(text, x=text),
    ]
    scenes = [
        (Scene(FunctionModel(answer, stream_function=stream), None), text),
        (Scene(scripted(calls, text), None), "go on"),
    ]
    wrong = []
    for scene, said in scenes:
        shown = scene.say(said)
        scene.conversation.close()
        wrong += judging.steers(shown)
        wrong += ["somebody was asked"] if scene.questions else []
    with open_store() as store:
        wrong += ["a session was begun"] if store.sessions() else []
    return wrong


DOORS: dict[str, Callable[[str], list[str]]] = {
    "description": by_description,
    "config": by_config,
    "answer": by_answer,
    "output": by_output,
    "facts": by_facts,
    "memory": by_memory,
    "chat": by_chat,
}
"""Where a text comes in, and what lets it in there and returns what went wrong."""


def _others(one: Any) -> list[Any]:
    return [dataclasses.replace(one, id=f"x{n}", session=f"20261102-0900-{n:02}") for n in (1, 2)]


def _complaint(error: SealtuneError) -> str:
    import contextlib
    import io

    from sealtune.cli.app import complain

    with contextlib.redirect_stderr(io.StringIO()) as said:
        complain(error)
    return said.getvalue()


def _printed(what: object) -> str:
    import io

    from rich.console import Console

    page = io.StringIO()
    Console(file=page, width=80, highlight=False).print(what)
    return page.getvalue()


def _task() -> Any:
    from tests.strategist.conftest import MEMORY, offer
    from tests.strategist.model.answers import DESCRIPTION

    from sealtune.catalogue import load_catalogue
    from sealtune.machine import Facts
    from sealtune.space.available import Availability
    from sealtune.strategist.task import Task

    facts = Facts(kernel="6.12.0", cpus=4, memory_bytes=MEMORY, virtualisation="kvm")
    offered = Availability(tuple(offer(knob) for knob in load_catalogue().knobs), ())
    return Task(DESCRIPTION + " " + SECRET, facts, offered, installed=("pgbench", "redis"), seed=7)


def _fallback(_task: object) -> Any:
    from sealtune.space.config import load_config
    from sealtune.strategist.task import Strategy

    config = {
        "workload_name": "embedded",
        "reward_metric": "throughput",
        "benchmark_command": "sealtune-sqlite",
        "action_space": [{"param": "vm.swappiness", "min": 1, "max": 60}],
    }
    return Strategy(load_config(config), None)
