"""A private PostgreSQL cluster: own directory, own Unix socket, no network, thrown away."""

import signal
from pathlib import Path

from sealtune.benchmarks.process import Server, run_child
from sealtune.benchmarks.programs import find_program
from sealtune.benchmarks.workplace import Workplace
from sealtune.errors import BenchmarkFailedError

BINARIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
SOCKET_PATH_LIMIT = 107
SETUP_SECONDS = 180.0
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    # One run must not meet a checkpoint or a vacuum that another run does not: both happen
    # between runs, in `settle`.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "lc_messages": "C",
}
_TABLES = ("pgbench_accounts", "pgbench_tellers", "pgbench_branches")


class Cluster:
    """One throwaway cluster with the tables of pgbench, in a workplace.

    Args:
        place: Where it lives, and who it runs as.
        connections: How many clients may connect.
    """

    def __init__(self, place: Workplace, *, connections: int) -> None:
        self._place = place
        self._connections = connections
        self._server: Server | None = None
        self._prewarm = True

    @property
    def socket_directory(self) -> Path:
        """Directory of the Unix socket, the ``-h`` of every client."""
        return self._place.path

    def create(self, scale: int) -> None:
        """Make the cluster, start it and fill it.

        Raises:
            BenchmarkFailedError: A step failed, or the path is too long for a Unix socket.
        """
        socket_path = self.socket_directory / ".s.PGSQL.5432"
        if len(str(socket_path)) > SOCKET_PATH_LIMIT:
            raise BenchmarkFailedError(
                f"{socket_path} is {len(str(socket_path))} characters long; a Unix socket may "
                f"have {SOCKET_PATH_LIMIT}",
                fix="Choose a shorter directory with --workdir.",
            )
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale"]
        self._client("initdb", "-D", str(self._data), "-U", self.user, *options)
        self.start()
        fill = ["-i", "-q", "-s", str(scale), "-F", "90", *self.login, "postgres"]
        self._client("pgbench", *fill)

    @property
    def user(self) -> str:
        """The database's superuser."""
        return self._place.account.name

    @property
    def login(self) -> list[str]:
        """Options with which every client connects."""
        return ["-h", str(self.socket_directory), "-p", "5432", "-U", self.user]

    @property
    def _data(self) -> Path:
        return self._place.path / "data"

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and self._server.alive

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        settings = {
            **_SETTINGS,
            "port": "5432",
            "unix_socket_directories": str(self.socket_directory),
            "max_connections": str(self._connections + 10),
        }
        given = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        server = Server(
            [str(postgres_program("postgres")), "-D", str(self._data), *given],
            account=self._place.account,
            cwd=self._place.path,
            log=self._place.path / "postgres.log",
            room=self._place.room,
            # "Fast": it flushes and ends. A plain kill would leave shared memory behind.
            stop_signal=signal.SIGINT,
            grace=30.0,
        )
        self._server = server
        server.wait_until(lambda: "ready to accept connections" in server.log, 60.0)

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def settle(self) -> None:
        """Undo what a run leaves behind: history, dead rows, dirty pages, a cold cache."""
        statements = ["TRUNCATE pgbench_history", *(f"VACUUM {table}" for table in _TABLES)]
        self.sql(*statements, "CHECKPOINT")
        if self._prewarm:
            try:
                self.sql("CREATE EXTENSION IF NOT EXISTS pg_prewarm", *map(_warm, _INDEXED))
            except BenchmarkFailedError:
                # Part of contrib, which some distributions package on its own.
                self._prewarm = False

    def sql(self, *statements: str) -> None:
        """Run `statements`, each in its own transaction."""
        asked = [word for statement in statements for word in ("-c", statement)]
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", *self.login, "-d", "postgres"]
        self._client("psql", *options, *asked)

    def _client(self, name: str, *arguments: str) -> None:
        place = self._place
        run_child(
            [str(postgres_program(name)), *arguments],
            account=place.account,
            cwd=place.path,
            limit=SETUP_SECONDS,
            room=place.room,
        ).require(name)


_INDEXED = (*_TABLES, *(f"{table}_pkey" for table in _TABLES))


def _warm(relation: str) -> str:
    return f"SELECT pg_prewarm('{relation}')"


def postgres_program(name: str) -> Path | None:
    """Return a program of the newest PostgreSQL installed; wrappers in /usr/bin come last."""
    return find_program(name, *BINARIES)
