"""What the tools of one server work with, and the two switches that it was started with."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sealtune.entry import open_store
from sealtune.errors import MachineBusyError
from sealtune.mcp_server.plans import Plans
from sealtune.mcp_server.run import Runs
from sealtune.request import Request
from sealtune.store import SqliteStore
from sealtune.strategist.model.choice import EMBEDDED
from sealtune.strategist.model.privacy import gather_identity, scrub
from sealtune.tactician.names import check_tactician
from sealtune.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks of a server.

    Attributes:
        allow_tuning: Sessions may be started, and interrupted ones undone.
        allow_apply: Confirmed gains may be kept, and that undone.
        dry_run: Simulate every session; nothing is applied.
        defaults: Wishes for every plan: minutes, tactician, seed, working directory.
        root: Directory that stands for ``/`` when applying; tests give another.
    """

    allow_tuning: bool = False
    allow_apply: bool = False
    dry_run: bool = False
    defaults: Request = field(default_factory=Request)
    root: Path = Path("/")


@dataclass
class Desk:
    """The tools' common ground; one for a server, whatever number of clients it has.

    Attributes:
        options: The switches.
        toolbox: Does the work. Not thread-safe: `lock` is held while it does.
        lock: See there.
        plans: What was shown.
        runs: What is running.
        open_store: Opens the history.
        hide: Takes out of a text what tells whose machine this is: an assistant need not know.
    """

    options: Options
    toolbox: Toolbox
    hide: Callable[[str], str]
    lock: threading.Lock = field(default_factory=threading.Lock)
    plans: Plans = field(default_factory=Plans)
    runs: Runs = field(default_factory=Runs)
    open_store: Callable[[], SqliteStore] = open_store

    def check_quiet(self) -> None:
        """Return if a close look at this machine disturbs no measurement of ours.

        Raises:
            MachineBusyError: A session is measuring.
        """
        if self.runs.measuring:
            raise MachineBusyError(
                "a session is measuring, and would measure this look at the machine with it",
                fix="tuning_status follows the session without disturbing it; ask again when it "
                "has ended.",
            )

    def session_id(self, session: str) -> str:
        """Return the whole id of a session by its beginning, or of the newest for ``last``.

        Raises:
            SessionNotFoundError: There is none, or there are several.
        """
        with self.open_store() as store:
            return store.session(session).id


def open_desk(options: Options) -> Desk:
    """Return the desk of a new server.

    Raises:
        InputError: One of the wishes makes no sense.
    """
    # Whoever calls the tools is the strategist here: the first draft asks no second model.
    request = replace(options.defaults, models=(EMBEDDED,))
    request.check()
    check_tactician(request.tactician)
    toolbox = Toolbox(dry_run=options.dry_run, defaults=request, root=options.root)
    return Desk(options, toolbox, partial(scrub, identity=gather_identity()))
