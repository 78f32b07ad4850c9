"""Asks a model for a strategy, sends back what is wrong with it, and knows when to give up.

Whatever happens there is an answer: after three refusals, a time-out, a bad key or a service that
is down, the embedded strategist answers and the notice says why.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydantic_ai
from pydantic_ai import Agent, ModelRetry, StructuredDict, ToolOutput
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits

from sealtune.errors import ConfigError, SealtuneError
from sealtune.space.config import TuningConfig
from sealtune.strategist.model.answer import (
    Question,
    Refused,
    Unusable,
    plain,
    question_in,
    read_answer,
)
from sealtune.strategist.model.choice import ModelChoice, find_key
from sealtune.strategist.model.failure import words_of
from sealtune.strategist.model.ground import Ground, ground_of
from sealtune.strategist.model.privacy import secrets
from sealtune.strategist.model.providers import build, release
from sealtune.strategist.model.recording import record
from sealtune.strategist.model.rules import accept
from sealtune.strategist.model.schema import config_schema, question_schema
from sealtune.strategist.model.wording import instructions, message, show_prompt
from sealtune.strategist.task import Strategy, Task

__all__ = ["CORRECTIONS", "Fallback", "devise", "show_prompt"]

pydantic_ai.BANNER_ENABLED = False  # its own advertisement, in the middle of a plan

CORRECTIONS = 3
"""How often an answer goes back before the embedded strategist takes over."""

_SECONDS = 240.0
_SECONDS_HERE = 900.0
_MOST_REQUESTS = 8
# What small servers make of tools varies from an error to nonsense; a JSON text they all can.
_WITHOUT_TOOLS = ("ollama", "openai-compatible", "local")

Fallback = Callable[[Task], Strategy]
"""The embedded strategist."""


def devise(
    task: Task,
    model: Model | ModelChoice,
    *,
    fallback: Fallback,
    transcript: Path | None = None,
    temperature: float | None = None,
    seconds: float | None = None,
) -> Strategy:
    """Return a strategy for `task`, by `model` if it gives a good one, else by `fallback`.

    Call it outside of an event loop, in a thread of its own if need be: it runs one.

    Args:
        task: What is to be answered.
        model: Who is asked; a choice of ``embedded`` goes to `fallback` at once.
        fallback: The embedded strategist; answers when the model does not.
        transcript: New file to record the conversation in, see `recording`.
        temperature: How much the model varies its answers; its own when ``None``.
        seconds: Wall clock for the model with all corrections [s]; 240 for a service, 900 for a
            model on this machine.

    Raises:
        UnclearWorkloadError: The model asks back; the message is its question.
        ConfigError: The choice of ``--model`` has a problem (one of the environment or the config
            file is replaced, which the notice says), or a replay departs from its recording.
        KnobError: The task's `only` or `exclude` names an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
        BenchmarkMissingError: The benchmark that the person insists on is not installed.
    """
    consultation = _Consultation(task, transcript, temperature, seconds)
    # The fallback may ask the person, which needs the terminal and no event loop around it.
    return _settle(asyncio.run(consultation.hold(model)), task, fallback)


def _settle(outcome: Strategy | str, task: Task, fallback: Fallback) -> Strategy:
    """Return the model's strategy, or the fallback's with what went wrong, if anything did."""
    if isinstance(outcome, Strategy):
        return outcome
    strategy = fallback(task)
    if not outcome:
        return strategy
    notice = f"{outcome}; the embedded strategist answered in its place."
    return replace(strategy, notices=(notice, *strategy.notices))


@dataclass(frozen=True)
class _Consultation:
    """One task put to a model; the arguments are those of `devise`."""

    task: Task
    transcript: Path | None
    temperature: float | None
    seconds: float | None

    async def hold(self, model: Model | ModelChoice) -> Strategy | str:
        """Return the model's strategy, or why there is none; empty if no model was chosen."""
        if not isinstance(model, ModelChoice):
            async with model:  # its connections end with this event loop
                name = f"{model.system}:{model.model_name}"
                return await self._with(model, name, secrets(), _SECONDS)
        if model.problem is not None and model.source != "--model":
            # Left over in a variable or a file: said, but it stops nobody.
            return f"{model.source}: {model.problem}"
        if model.is_embedded and model.problem is None:
            return ""
        ground_of(self.task)  # before a model is loaded for nothing
        try:
            built = build(model)
        except ConfigError as error:
            if model.source == "--model":
                raise
            return f"{model.source}: {error}"
        try:
            async with built:
                return await self._with(
                    built,
                    model.name,
                    (*secrets(), find_key(model) or ""),
                    _SECONDS_HERE if model.stays_here else _SECONDS,
                )
        finally:
            release(built)  # a loaded model must not lie in the memory while we measure

    async def _with(
        self, model: Model, name: str, hidden: tuple[str, ...], seconds: float
    ) -> Strategy | str:
        examiner = _Examiner(ground_of(self.task), name)
        if self.transcript is not None:
            model = record(model, self.transcript, secrets=hidden)
        limit = self.seconds or seconds
        try:
            async with asyncio.timeout(limit):
                await _ask(model, examiner, self.temperature)
        except TimeoutError:
            return f"{name} did not come to an end within {limit:g} s"
        except Unusable as error:
            return f"{name} {error}"
        except SealtuneError:  # a replay that departs from its recording
            raise
        except Exception as error:  # such as a key that no header can carry
            return f"{name} {examiner.complaint or words_of(error)}"
        if isinstance(examiner.taken, Question):
            raise examiner.taken.as_error()
        return Strategy(examiner.taken, None) if examiner.taken else f"{name} gave no answer"


@dataclass
class _Examiner:
    """Takes an answer, or says what is wrong with it; remembers what came of it."""

    ground: Ground
    name: str
    taken: TuningConfig | Question | None = None
    refusals: int = 0
    last: str = ""

    def examine(self, answer: str | Mapping[str, Any]) -> None:
        """Keep `answer` if it is a good one.

        Raises:
            ModelRetry: What is wrong, for the model.
            Unusable: It is not worth another try.
        """
        try:
            fields = read_answer(answer)
            self.taken = question_in(fields) or accept(fields, self.ground, self.name)
        except Refused as error:
            self.refusals += 1
            self.last = plain(str(error).splitlines()[0], 160).rstrip(".")
            raise ModelRetry(str(error)) from error

    @property
    def complaint(self) -> str:
        """Why the last of too many answers was refused; empty when it did not come to that."""
        if self.refusals <= CORRECTIONS:
            return ""
        return f"was refused {self.refusals} times, the last time for this: {self.last}"


async def _ask(model: Model, examiner: _Examiner, temperature: float | None) -> None:
    """Have `model` answer until the examiner takes an answer or the corrections are used up."""
    ground = examiner.ground
    agent: Agent[None, Any] = Agent(
        model,
        output_type=_output(model, ground),
        instructions=instructions(ground),
        retries={"tools": CORRECTIONS, "output": CORRECTIONS},
    )

    @agent.output_validator
    def examined(answer: Any) -> Any:  # noqa: ANN401 - a text or an object
        examiner.examine(answer)
        return answer

    settings = ModelSettings(framing_announcement="never")  # what is sent is what is shown
    if temperature is not None:
        settings["temperature"] = temperature
    if model.system == "local":
        settings["extra_body"] = {"response_format": _grammar(ground)}
    await agent.run(
        message(ground),
        model_settings=settings,
        usage_limits=UsageLimits(request_limit=_MOST_REQUESTS),
    )


def _output(model: Model, ground: Ground) -> Any:  # noqa: ANN401 - pydantic-ai's OutputSpec
    """Return what the model may answer with: a JSON text, and a tool where tools are sturdy."""
    if model.system in _WITHOUT_TOOLS:
        return str
    config = StructuredDict(config_schema(ground), name="TuningConfig")
    question = StructuredDict(question_schema(), name="Question")
    return [
        ToolOutput(
            config, name="propose_config", description="What to tune, and how.", strict=False
        ),
        ToolOutput(
            question, name="ask_back", description="When the description is unclear.", strict=False
        ),
        str,
    ]


def _grammar(ground: Ground) -> dict[str, Any]:
    schema = {"anyOf": [config_schema(ground), question_schema()]}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
