"""Server programs and the kind of workload each stands for, as services.toml has them."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import ConfigError

_FIX = "Correct services.toml in the catalogue package."


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """How to recognise one kind of server.

    Attributes:
        name: What it is called in a sentence.
        workload_class: Class of workloads.toml that it stands for.
        programs: Names of its process or program, without a version at the end.
        words: Whole words of a command line that give it away inside an interpreter.
        ports: TCP ports that it listens on by itself.
        sockets: Shell patterns of the name of its Unix socket.
        paths: Shell patterns of where its program lies outside the usual directories.
    """

    name: str
    workload_class: str
    programs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    sockets: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@cache
def load_services() -> tuple[ServerProgram, ...]:
    """Return every server that can be recognised, read and checked once.

    Raises:
        ConfigError: An entry is wrong; the message names entry and field.
    """
    text = resources.files("sealtune.catalogue").joinpath("services.toml").read_text("utf-8")
    return parse_services(text)


def parse_services(text: str) -> tuple[ServerProgram, ...]:
    """Return the servers written in `text` (TOML).

    Raises:
        ConfigError: No TOML, an unknown field or class, or a program of two servers.
    """
    try:
        entries = tomllib.loads(text).get("service", ())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"services: no valid TOML: {error}", fix=_FIX) from error
    services = tuple(map(_service, entries))
    seen: dict[str, str] = {}
    for service in services:
        load_workloads().get(service.workload_class)
        for program in service.programs:
            if program in seen:
                both = f"{seen[program]} and {service.name}"
                raise ConfigError(f"services: {program} stands for {both}", fix=_FIX)
            seen[program] = service.name
    return services


def _service(entry: Mapping[str, Any]) -> ServerProgram:
    where = str(entry.get("name", "service"))
    known = {field.name: field for field in fields(ServerProgram)}
    for key in entry:
        if key not in known:
            raise ConfigError(f"{where}: {key} is unknown; allowed: {', '.join(known)}", fix=_FIX)
    for key, field in known.items():
        if field.default is MISSING and key not in entry:
            raise ConfigError(f"{where}: {key} is missing", fix=_FIX)
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    return ServerProgram(**values)
