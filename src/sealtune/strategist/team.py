"""Who is asked for a strategy: a model, the embedded strategist, or several to be compared."""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealtune.errors import ConfigError, InputError
from sealtune.machine.services import Service
from sealtune.strategist.embedded import Ask, devise
from sealtune.strategist.model.choice import EMBEDDED, ModelChoice, choose_model
from sealtune.strategist.task import Strategy, Task

TEMPERATURES = (None, 0.7, 1.0, 0.3)
"""What sets apart the answers of one model that is asked several times; its own first."""


@dataclass(frozen=True, slots=True)
class Team:
    """Strategists, in the order in which they are asked; call it with a task.

    Attributes:
        choices: Models, `EMBEDDED` among them or alone.
        count: Strategies wanted; the models take turns.
        services: What runs on this machine, see `find_services`.
        ask: Asks the person about an unclear description; ``None`` when nobody can be asked.
        recording: New file for what the first model is asked and answers.
        replay: Recording that answers in place of the first model.
    """

    choices: tuple[ModelChoice, ...]
    count: int = 1
    services: tuple[Service, ...] = ()
    ask: Ask | None = None
    recording: Path | None = None
    replay: Path | None = None

    def __call__(self, task: Task) -> tuple[Strategy, ...]:
        """Return `count` strategies for `task`; fewer when some of them agree.

        Raises:
            SealtuneError: See `sealtune.strategist.embedded.devise` and
                `sealtune.strategist.model.proposal.devise`.
        """
        variants = itertools.count()
        found: list[Strategy] = []
        for number in range(self.count):
            choice = self._member(number)
            embedded = self._embedded(next(variants) if choice.is_embedded else 0)
            replayed = self.replay is not None and number == 0
            if choice.is_embedded and choice.problem is None and not replayed:
                strategy = embedded(task)
            else:
                strategy = self._model(task, number, choice, embedded)
            found.append(strategy)
        return _distinct(found)

    def _member(self, number: int) -> ModelChoice:
        """Return who is asked as number `number`; a lone model is measured beside the embedded."""
        if len(self.choices) == 1 and 0 < number == self.count - 1:
            return ModelChoice(EMBEDDED, "for comparison")
        return self.choices[number % len(self.choices)]

    def _embedded(self, variant: int) -> Callable[[Task], Strategy]:
        def answer(task: Task) -> Strategy:
            strategy = devise(task, services=self.services, ask=self.ask, variant=variant)
            if not variant:
                return strategy
            named = strategy.config.model_copy(
                update={"strategist": f"{EMBEDDED}, variant {variant}"}
            )
            return replace(strategy, config=named)

        return answer

    def _model(
        self, task: Task, number: int, choice: ModelChoice, fallback: Callable[[Task], Strategy]
    ) -> Strategy:
        from sealtune.strategist.model import proposal
        from sealtune.strategist.model.recording import replay

        first = number == 0
        return proposal.devise(
            task,
            replay(self.replay) if first and self.replay else choice,
            fallback=fallback,
            transcript=self.recording if first else None,
            temperature=TEMPERATURES[(number // len(self.choices)) % len(TEMPERATURES)],
        )


def team(
    models: Sequence[str] = (),
    count: int = 1,
    *,
    services: Sequence[Service] = (),
    ask: Ask | None = None,
    recording: Path | None = None,
    replay: Path | None = None,
) -> Team:
    """Return the strategists that `models` names, or the configured one.

    A model that the environment or the config file names and that cannot be used is replaced by
    the embedded strategist, which says so; one that was named on the command line is refused.

    Raises:
        ConfigError: A model named in `models` cannot be used as things stand.
        InputError: `recording` and `replay` exclude each other, or there is no model to record.
    """
    if recording is not None and replay is not None:
        raise InputError("--record and --replay: allowed: one of them")
    if recording is not None and os.path.exists(recording):
        raise InputError(f"--record {recording}: exists already", fix="Name a new file.")
    choices = tuple(map(choose_model, models)) if models else (choose_model(),)
    for choice in choices if models else ():
        if choice.problem is not None and replay is None:
            raise ConfigError(
                f"--model {choice.name}: {choice.problem}",
                fix="`sealtune doctor` shows what is set up; without --model the embedded "
                "strategist plans.",
            )
    if recording is not None and (choices[0].is_embedded or choices[0].problem is not None):
        problem = f" ({choices[0].source}: {choices[0].problem})" if choices[0].problem else ""
        raise InputError(
            f"--record {recording}: the embedded strategist plans, and asks no model{problem}",
            fix="Name a model with --model, or leave --record out.",
        )
    return Team(choices, count, tuple(services), ask, recording, replay)


def _distinct(strategies: Sequence[Strategy]) -> tuple[Strategy, ...]:
    """Return `strategies` without repeats; the first one says what was left out."""
    kept: list[Strategy] = []
    for strategy in strategies:
        spaces = [one.config.action_space for one in kept]
        if strategy.config.action_space not in spaces:
            kept.append(strategy)
    lost = len(strategies) - len(kept)
    if lost:
        told = f"{lost} of {len(strategies)} strategies agreed with another and was left out."
        kept[0] = replace(kept[0], notices=(*kept[0].notices, told))
    return tuple(kept)
