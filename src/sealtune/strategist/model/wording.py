"""All the words that go to a model for one task, in one place, so that a person can read them."""

import json

from sealtune.strategist.memory import memory_sentences
from sealtune.strategist.model.ground import Ground, ground_of
from sealtune.strategist.model.schema import config_schema
from sealtune.strategist.prompt import get_optimization_strategy_prompt, get_task_prompt
from sealtune.strategist.task import Task


def instructions(ground: Ground) -> str:
    """Return what a model is told about this machine and its job."""
    return get_optimization_strategy_prompt(
        ground.task.facts,
        ground.availability,
        memory_sentences(ground.task),
        installed=ground.task.installed,
    )


def message(ground: Ground) -> str:
    """Return the message that puts the task."""
    task = ground.task
    return get_task_prompt(
        task.description,
        minutes=task.minutes,
        trials=task.trials,
        benchmark_is_set=task.benchmark is not None,
        all_of_them=bool(ground.required),
    )


def show_prompt(task: Task) -> str:
    """Return exactly what a model would be sent for `task`, for a person to read first.

    Raises:
        KnobError: The task's `only` or `exclude` names an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
    """
    ground = ground_of(task)
    schema = json.dumps(config_schema(ground), ensure_ascii=False)
    return (
        f"=== INSTRUCTIONS ===\n{instructions(ground)}\n"
        f"=== MESSAGE ===\n{message(ground)}\n\n"
        f"=== SHAPE OF THE ANSWER (to services that take one) ===\n{schema}\n"
    )
