"""A GGUF file of the person's own, served on loopback by llama.cpp in a process of its own.

In a process of its own, for then a file that llama.cpp cannot digest, or a machine without the
memory for it, ends that process and not a tuning session. It ends with us, however we end.
"""

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from select import select
from typing import Any

from sealtune.errors import ConfigError

_CONTEXT = 12_288
"""Tokens: the prompt has about 5,000, an answer about 1,200, and up to three answers go back."""

_LOADING_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Served:
    """A model that is being served.

    Attributes:
        url: Base URL on loopback.
        key: The only key that the server answers to, made up here.
        process: Who serves it.
    """

    url: str
    key: str = field(repr=False)
    process: "subprocess.Popen[str]" = field(repr=False)

    @property
    def alive(self) -> bool:
        """Whether it is still served."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the server. Safe to call twice."""
        _end(self.process)


def serve(path: Path) -> Served:
    """Load the GGUF file `path` and serve it on loopback until it is closed, or we end.

    Raises:
        ConfigError: It cannot be loaded, or takes longer than two minutes.
    """
    key = secrets.token_urlsafe(24)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],  # no code from wherever we were started
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C stops the answer, not the server
    )
    try:
        return Served(f"{_address(process, path, key)}/v1", key, process)
    except BaseException:
        _end(process)
        raise


def _address(process: "subprocess.Popen[str]", path: Path, key: str) -> str:
    """Return where `process` listens, once it does."""
    assert process.stdin is not None
    assert process.stdout is not None
    # By its standard input: an argument could be read by everybody on the machine.
    try:
        process.stdin.write(json.dumps({"path": str(path.absolute()), "key": key}) + "\n")
        process.stdin.flush()
        ready, _, _ = select([process.stdout], [], [], _LOADING_SECONDS)
        line = process.stdout.readline() if ready else None
    except BrokenPipeError:
        line = ""
    if line is None:
        raise ConfigError(f"{path.name} was not loaded within {_LOADING_SECONDS:.0f} s")
    if not line.startswith("http://127.0.0.1:"):
        raise ConfigError(
            f"{path.name} cannot be loaded: {line.strip() or 'llama.cpp ended while reading it'}",
            fix="Name a complete GGUF file of a chat model that fits into the memory.",
        )
    return line.strip()


def _end(process: "subprocess.Popen[str]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _main() -> None:
    """Serve what the first line of standard input names, until standard input ends."""
    xllamacpp: Any = import_module("xllamacpp")
    wanted: dict[str, Any] = json.loads(sys.stdin.readline())
    parameters = xllamacpp.CommonParams()
    parameters.model.path = wanted["path"]
    parameters.api_keys = [wanted["key"]]
    parameters.n_ctx = _CONTEXT
    parameters.n_parallel = 1
    for name in {"ui", "webui"} & set(dir(parameters)):  # its name changed with the versions
        setattr(parameters, name, False)
    parameters.verbosity = -1
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError as error:
        print(" ".join(str(error).split()), flush=True)
        return
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _main()
