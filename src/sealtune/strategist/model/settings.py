"""The config file's word on the model: ``[model]`` with ``name``, ``base_url`` and ``api_key``."""

import os
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealtune.errors import ConfigError

_FIELDS = ("name", "base_url", "api_key")
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file says; ``None`` for what it does not.

    Attributes:
        name: Model, as ``--model`` takes it.
        base_url: Address of an OpenAI-compatible service.
        api_key: Its key; never shown.
    """

    name: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)


def read_settings(path: Path) -> Settings:
    """Return what `path` says of the model; nothing when there is no such file.

    Raises:
        ConfigError: Not readable, no TOML, an unknown or ill-typed field, or a key in a file that
            others can read or that somebody else owns.
    """
    try:
        with path.open("rb") as file:  # what is judged is what is read, whatever is put there
            status = os.fstat(file.fileno())
            text = file.read(_MOST_BYTES).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"{path.name} cannot be read: {reason}") from error
    fields = _model_table(path, text)
    if "api_key" in fields and status.st_uid not in _owners():
        raise ConfigError(
            f"{path.name} holds a key and belongs to another user (uid {status.st_uid})",
            fix=f"chown {os.geteuid()} {path}, or put the key into a file of your own.",
        )
    if "api_key" in fields and status.st_mode & _PRIVATE:
        raise ConfigError(
            f"{path.name} holds a key and others can read it: chmod 600 {path.name}",
            fix=f"chmod 600 {path}",
        )
    return Settings(**fields)


def _owners() -> set[int]:
    """Return whose file may hold a key: one's own, root's, that of the person who called sudo."""
    person = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    return {0, os.geteuid(), *([int(person)] if person.isdecimal() else [])}


def _model_table(path: Path, text: str) -> dict[str, str]:
    try:
        table: Any = tomllib.loads(text).get("model", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path.name} is no valid TOML: {error}") from error
    if not isinstance(table, dict):
        raise ConfigError(f"{path.name}: model: need a table [model]")
    for name, value in table.items():
        if name not in _FIELDS:
            raise ConfigError(
                f"{path.name}: model.{name}: unknown field; allowed: {', '.join(_FIELDS)}"
            )
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{path.name}: model.{name}: need a text")
    return table
