"""A conversation without a terminal, a key or a network: scripted model, scripted person."""

import io
import json
from collections.abc import AsyncIterator, Callable, Iterable

from pydantic_ai.messages import ModelMessage, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from rich.console import Console

from sealtune.chat.agent import build_agent
from sealtune.chat.approval import Approvals
from sealtune.chat.conversation import Brain, Conversation
from sealtune.chat.render import Screen
from sealtune.request import Request
from sealtune.toolbox import Toolbox

QUICK = Request(tactician="random", seed=3, minutes=6)
CACHE = "optimize this system for low latency redis cache, one client at a time"


class call:
    """A step in which the model calls a tool; arguments may be computed from what came before."""

    def __init__(self, tool: str, arguments: object = None, /, **named) -> None:
        self.name, self.arguments = tool, named if arguments is None else arguments


Step = str | call | list[call] | Exception | Callable[[list[ModelMessage]], object]


def scripted(*steps: Step) -> FunctionModel:
    """Return a model that answers step by step; `.seen` and `.tools` are what it was sent."""
    seen: list[list[ModelMessage]] = []
    left = iter(steps)

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[object]:
        seen.append(messages)
        model.tools = info.function_tools
        step = next(left)
        if callable(step):
            step = step(messages)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            for word in step.split(" "):
                yield word + " "
            return
        for index, one in enumerate(step if isinstance(step, list) else [step]):
            args = one.arguments if isinstance(one.arguments, str) else json.dumps(one.arguments)
            name = f"call-{len(seen)}-{index}"
            yield {index: DeltaToolCall(name=one.name, json_args=args, tool_call_id=name)}

    model = FunctionModel(stream_function=stream, model_name="scripted")
    model.seen = seen
    return model


def returned(messages: list[ModelMessage], tool: str) -> object:
    """Return the newest result of `tool` in what a model was sent."""
    found = [
        part.content
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart) and part.tool_name == tool
    ]
    return found[-1]


class Scene:
    """One conversation; `screen` is what the person sees, `answers` what they reply."""

    def __init__(
        self,
        model: Model,
        answers: Iterable[str] | None = (),
        *,
        stand_in: Model | None = None,
        toolbox: Toolbox | None = None,
        yes: bool = False,
    ) -> None:
        self._page = io.StringIO()
        self.toolbox = toolbox or Toolbox(dry_run=True, defaults=QUICK)
        self.questions: list[str] = []
        self._answers = iter(answers or ())
        console = Console(file=self._page, width=80, highlight=False)
        screen = Screen(console)
        ask = None if answers is None else self._ask
        self.conversation = Conversation(
            build_agent(self.toolbox, dry_run=True),
            Brain("test:model", model),
            Brain("embedded", stand_in or scripted()),
            screen,
            Approvals(self.toolbox, screen, ask, yes=yes),
        )

    @property
    def screen(self) -> str:
        return self._page.getvalue()

    def say(self, text: str) -> str:
        """Say it, and return what appeared on the screen meanwhile."""
        before = len(self.screen)
        self.conversation.say(text)
        return self.screen[before:]

    def _ask(self, question: str) -> str:
        self.questions.append(question)
        self._page.write(question)
        answer = next(self._answers)
        self._page.write(f"{answer}\n")
        return answer


class Says:
    """A person who says prepared things; an exception among them is raised."""

    can_be_asked = True
    typed = ""

    def __init__(self, *things: str | type[BaseException], answers: tuple[str, ...] = ()) -> None:
        self._things, self._answers = iter((*things, None)), iter(answers)
        self.questions: list[str] = []

    def read(self) -> str | None:
        thing = next(self._things)
        if isinstance(thing, type):
            raise thing
        return thing

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return next(self._answers)
