"""``sealtune chat``: who answers is chosen, the banner is shown, and the person begins."""

import os
import re
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic

from pydantic_ai.models import Model
from pydantic_ai.models.function import FunctionModel
from rich.console import Console

from sealtune import __version__
from sealtune.chat.agent import build_agent
from sealtune.chat.approval import Approvals
from sealtune.chat.conversation import Brain, Conversation
from sealtune.chat.discretion import Discreet
from sealtune.chat.embedded import answer, stream
from sealtune.chat.render import Screen, clean
from sealtune.chat.terminal import Person, open_person
from sealtune.chat.transcript import transcript
from sealtune.errors import ConfigError, InputError, SealtuneError
from sealtune.request import Request
from sealtune.store import default_store_path
from sealtune.strategist.model.choice import EMBEDDED, ModelChoice, choose_model, find_key
from sealtune.strategist.model.privacy import gather_identity, scrub, secrets
from sealtune.strategist.model.providers import build
from sealtune.strategist.model.recording import record as recorded
from sealtune.strategist.model.recording import replay as replayed
from sealtune.toolbox import Toolbox

TWICE_SECONDS = 2.0
"""Two Ctrl-C within this time leave, whatever stands on the line [s]."""

HELP = """\
Say what you want in plain words, for example:
  optimize this system for a write-heavy PostgreSQL database
  why swappiness?
  try again without touching the block scheduler
  what did we learn about redis here?
  undo everything
/model         who answers, and why;  /model NAME  asks another one from now on
/prompt        all that is sent to the model with what you say next
/save FILE     write the conversation to a new text file
/help  /quit   this list; leave (also Ctrl-D)
Ctrl-C stops what is being said or measured; a second one leaves."""

EXAMPLES = """\
Nothing is changed without your yes. Say, for example:
  optimize this system for a write-heavy PostgreSQL database
  why swappiness?    what did we learn about redis here?    undo everything
/help lists the rest, Ctrl-D leaves."""


_COMMAND = re.compile(r"/[a-z]*")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks of a conversation.

    Attributes:
        model: As `choose_model` takes it; ``None`` for what is set up.
        record: New file for what the model is asked and answers.
        replay: Recording that answers in place of a model.
        dry_run: Simulate every tuning run.
        yes: Start runs of known benchmarks unasked; everything else is asked.
        minutes: Length of a tuning run when the person names none [min].
    """

    model: str | None = None
    record: Path | None = None
    replay: Path | None = None
    dry_run: bool = False
    yes: bool = False
    minutes: float | None = None


def run_chat(
    *,
    model: str | None = None,
    record: Path | None = None,
    replay: Path | None = None,
    dry_run: bool = False,
    yes: bool = False,
    minutes: float | None = None,
) -> int:
    """Hold a conversation on stdin and stdout until the person leaves; see `Options`.

    Returns:
        Exit code: 0, or 130 when a pipe's conversation was stopped by Ctrl-C.

    Raises:
        InputError: Both a recording and a replay were asked for, or `minutes` makes no sense.
        ConfigError: The model that `model` names, or a file to record to or to replay, cannot be
            used.
    """
    for stream_ in (sys.stdin, sys.stdout):
        if hasattr(stream_, "reconfigure"):  # any locale: no character ends the conversation
            stream_.reconfigure(errors="replace")
    options = Options(model, record, replay, dry_run, yes, minutes)
    person = open_person(default_store_path().with_suffix(".history"))
    return hold(options, person, Console(highlight=False))


def hold(
    options: Options, person: Person, console: Console, *, defaults: Request | None = None
) -> int:
    """Hold a conversation with `person` on `console`; see `run_chat`.

    Args:
        options: What the command line asks.
        person: Who says things.
        console: Where answers go.
        defaults: Options for every tuning run, such as its tactician and seed.
    """
    if options.record and options.replay:
        raise InputError("--record and --replay cannot be used together")
    # Whoever answers is the strategist here: propose_config gives it a draft, and asks no second
    # model, whose answers a recording would not hold.
    request = replace(defaults or Request(), minutes=options.minutes, models=(EMBEDDED,))
    request.check()
    toolbox = Toolbox(dry_run=options.dry_run, defaults=request)
    screen = Screen(console)
    choice = choose_model(options.model)
    if options.model and choice.problem and not options.replay:
        raise ConfigError(
            f"--model {options.model}: {choice.problem}",
            fix="`sealtune doctor` shows what is set up; without --model the built-in strategist "
            "answers.",
        )
    choice, model = _model_of(choice, options)
    approvals = Approvals(
        toolbox, screen, person.ask if person.can_be_asked else None, yes=options.yes
    )
    conversation = Conversation(
        build_agent(toolbox, dry_run=options.dry_run),
        _brain(choice, model, options),
        Brain(EMBEDDED, _embedded()),
        screen,
        approvals,
    )
    if person.can_be_asked:
        screen.block(_banner(choice, options))
        screen.end()
    try:
        return _Talk(conversation, person, screen, options, choice).go_on()
    finally:
        conversation.close()


def _embedded() -> Model:
    return FunctionModel(answer, stream_function=stream, model_name=EMBEDDED)


def _model_of(choice: ModelChoice, options: Options) -> tuple[ModelChoice, Model]:
    """Return who answers: the recording, the chosen model, or the built-in strategist.

    A model of the environment or the config file that cannot be used gets a problem, and stops
    nobody.
    """
    if options.replay is not None:
        return choice, replayed(options.replay)
    if choice.is_embedded or choice.problem is not None:
        return choice, _embedded()
    try:
        return choice, build(choice)
    except ConfigError as error:
        if choice.source == "--model":
            raise
        return replace(choice, problem=str(error)), _embedded()


def _brain(choice: ModelChoice, model: Model, options: Options) -> Brain:
    """Return `model` as the one who answers: recorded if need be, and told no more than needed."""
    usable = not choice.is_embedded and choice.problem is None
    name = choice.name if usable else EMBEDDED
    if options.replay is not None:
        name = f"the recording {options.replay.name}"
    if options.record is not None:
        model = recorded(model, options.record, secrets=(*secrets(), find_key(choice) or ""))
    # A recording is made to be handed on: it holds no more than what a service would be sent.
    if usable or options.record is not None or options.replay is not None:
        model = Discreet(model, partial(scrub, identity=gather_identity()))
    return Brain(name, model)


def _banner(choice: ModelChoice, options: Options) -> str:
    head = f"sealtune {__version__}"
    lines = [f"{head}   {_who(choice, options)}"]
    if options.dry_run:
        lines.append("SIMULATED: a dry run; no parameter and no benchmark is touched.")
    return "\n".join((*lines, EXAMPLES))


def _who(choice: ModelChoice, options: Options) -> str:
    """Return who answers and why, and what leaves this machine."""
    if options.replay is not None:
        return f"answers come from the recording {options.replay.name}"
    if choice.problem is not None:
        name = "" if choice.is_embedded else f"{choice.name}, "
        return f"{name}{choice.problem} ({choice.source}): the built-in strategist answers"
    if choice.is_embedded:
        return f"the built-in strategist answers ({choice.source})"
    where = "" if choice.stays_here else "\nWhat you say and what the tools find is sent to it."
    if choice.path is not None:
        where = "\nIt stays in memory while a benchmark runs, beside what is measured."
    return f"{choice.name} answers ({choice.source}){where}"


class _Talk:
    """The loop: read, answer, until the person leaves."""

    def __init__(
        self,
        conversation: Conversation,
        person: Person,
        screen: Screen,
        options: Options,
        choice: ModelChoice,
    ) -> None:
        self._conversation, self._person, self._screen = conversation, person, screen
        self._options, self._choice = options, choice
        # When Ctrl-C was last pressed, if nothing has been said since.
        self._stopped: float | None = None

    def go_on(self) -> int:
        """Return the exit code once the person has left."""
        while True:
            try:
                text = self._person.read()
            except KeyboardInterrupt:
                if self._leaves():
                    return 0
                self._screen.begin()
                self._screen.note("Ctrl-C again leaves.")
                continue
            if text is None or text.strip() in ("/quit", "/exit"):
                return 0
            self._stopped = None
            self._screen.begin()
            try:
                self._take(clean(text).strip())
            except KeyboardInterrupt:
                self._screen.note("stopped")
                if not self._person.can_be_asked:
                    return 130
                self._stopped = monotonic()
            self._screen.end()

    def _leaves(self) -> bool:
        """Whether this Ctrl-C at the prompt, after an earlier one, is meant to leave."""
        before, self._stopped = self._stopped, monotonic()
        if before is None:
            return False
        return not self._person.typed or self._stopped - before < TWICE_SECONDS

    def _take(self, text: str) -> None:
        command, _, rest = text.partition(" ")
        if not _COMMAND.fullmatch(command):  # /proc/sys/vm/swappiness is something to talk about
            if text:
                self._conversation.say(text)
            return
        try:
            self._command(command, rest.strip())
        except SealtuneError as error:
            self._screen.note(f"{error}  {error.fix}")

    def _command(self, command: str, rest: str) -> None:
        if command == "/help":
            self._screen.block(HELP)
        elif command == "/model":
            self._model(rest)
        elif command == "/prompt":
            alone = self._options.replay or self._choice.is_embedded or self._choice.problem
            told = "Nothing: no model is asked." if alone else self._conversation.outgoing()
            self._screen.block(told)
        elif command == "/save":
            self._save(rest)
        else:
            raise InputError(f"{command} is no command", fix="/help lists them.")

    def _model(self, name: str) -> None:
        if name:
            choice = choose_model(name)
            if choice.problem is not None:
                raise InputError(f"{name}: {choice.problem}", fix="The model stays as it was.")
            if self._options.record or self._options.replay:
                raise InputError("a recorded conversation keeps its model")
            choice, model = _model_of(choice, self._options)
            self._conversation.change(_brain(choice, model, self._options))
            self._choice = replace(choice, source="/model")
        self._screen.block(_who(self._choice, self._options))

    def _save(self, name: str) -> None:
        if not name:
            raise InputError("/save needs a file", fix="/save FILE")
        path = Path(os.path.expanduser(name))
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(transcript(self._conversation.messages))
        except OSError as error:
            raise InputError(
                f"{path}: {error.strerror}", fix="Name a new file in a directory of yours."
            ) from error
        self._screen.block(f"written: {path}")
