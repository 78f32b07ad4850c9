"""Which model is active, and why; nothing is sent anywhere and nothing heavy is loaded.

A key in the environment does not choose a model: nothing leaves the machine unless somebody named
one by ``--model``, SEALTUNE_MODEL or the config file.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from sealtune.errors import ConfigError
from sealtune.strategist.model.settings import Settings, read_settings

EMBEDDED = "embedded"
SHOWN_CONFIG = "~/.config/sealtune/config.toml"
_LONGEST_NAME = 150
_OLLAMA = "http://127.0.0.1:11434/v1"


@dataclass(frozen=True, slots=True)
class _Provider:
    """What a provider needs: a module, the extra that brings it, and the variables for its key."""

    module: str
    extra: str = ""
    keys: tuple[str, ...] = ()
    needs_key: bool = False
    needs_url: bool = False


_PROVIDERS = {
    "openai": _Provider("openai", keys=("OPENAI_API_KEY",), needs_key=True),
    "anthropic": _Provider("anthropic", "anthropic", ("ANTHROPIC_API_KEY",), needs_key=True),
    "google": _Provider(
        "google.genai", "google", ("GOOGLE_API_KEY", "GEMINI_API_KEY"), needs_key=True
    ),
    "mistral": _Provider("mistralai", "mistral", ("MISTRAL_API_KEY",), needs_key=True),
    "ollama": _Provider("openai"),
    "openai-compatible": _Provider("openai", keys=("SEALTUNE_API_KEY",), needs_url=True),
    "local": _Provider("xllamacpp", "local-model"),
}
PROVIDERS = tuple(_PROVIDERS)
"""What may stand before the colon of a model's name."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model that was chosen.

    Attributes:
        name: ``provider:model`` or ``embedded``; goes into configs and records, so a local file
            appears without its folder.
        source: Why this one, a few words: ``--model``, ``SEALTUNE_MODEL``, the config file, or
            that none is set up.
        base_url: Address of the service, ``None`` for the provider's own.
        path: GGUF file of a ``local`` model.
        problem: Why it cannot be used as things stand, and what to do; ``None`` if it can.
    """

    name: str
    source: str
    base_url: str | None = None
    path: Path | None = None
    problem: str | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether no language model is used."""
        return self.name == EMBEDDED

    @property
    def provider(self) -> str:
        """What stands before the first colon of the name."""
        return self.name.partition(":")[0]

    @property
    def model(self) -> str:
        """What stands after the first colon of the name."""
        return self.name.partition(":")[2]

    @property
    def stays_here(self) -> bool:
        """Whether nothing leaves this machine: embedded, a local file, or a loopback address."""
        if self.is_embedded or self.path is not None:
            return True
        host = urlsplit(self.base_url or "").hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:  # a name: 127.example.com is somebody else
            return host == "localhost"


def default_config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the config file is looked for: the XDG place of this user."""
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "sealtune" / "config.toml"


def choose_model(
    wanted: str | None = None,
    environment: Mapping[str, str] = os.environ,
    config_file: Path | None = None,
) -> ModelChoice:
    """Return the model to use: `wanted`, else SEALTUNE_MODEL, else the config file's, else none.

    Never raises: what is wrong stands in `ModelChoice.problem`, so that ``doctor`` can show it.

    Args:
        wanted: Value of ``--model``: ``provider:model``, an address such as
            ``http://127.0.0.1:8000/v1#model``, ``local:/path/model.gguf`` or ``embedded``.
        environment: Variables; SEALTUNE_MODEL, SEALTUNE_BASE_URL and keys are read.
        config_file: TOML with ``[model]`` ``name``, ``base_url`` and ``api_key``;
            `default_config_file` when ``None``.

    >>> choose_model("openai:gpt-5", {}, Path("/nowhere")).problem
    'OPENAI_API_KEY is not set'
    >>> choose_model(None, {"OPENAI_API_KEY": "k"}, Path("/nowhere")).name
    'embedded'
    """
    try:
        settings = read_settings(config_file or default_config_file(environment))
        trouble = ""
    except ConfigError as error:
        if not (wanted or environment.get("SEALTUNE_MODEL")):
            return ModelChoice(EMBEDDED, SHOWN_CONFIG, problem=str(error))
        settings, trouble = Settings(), f"; {error}"
    candidates = (
        ("--model", wanted),
        ("SEALTUNE_MODEL", environment.get("SEALTUNE_MODEL")),
        (SHOWN_CONFIG, settings.name),
    )
    for source, name in candidates:
        if name is not None and name.strip():
            choice = _named(name.strip(), source, environment, settings)
            problem = choice.problem or _lack(choice, environment, settings)
            return replace(choice, problem=problem and problem + trouble)
    keys = {key for provider in _PROVIDERS.values() for key in provider.keys}
    alone = ", and a key alone chooses none" if keys & set(environment) else ""
    return ModelChoice(EMBEDDED, f"no model is set up{alone}: embedded")


def find_key(
    choice: ModelChoice,
    environment: Mapping[str, str] = os.environ,
    settings: Settings | None = None,
) -> str | None:
    """Return the key for `choice`: of its provider's variable, else of the config file.

    The file's key belongs to the model that the file names, and goes to no other service.
    """
    if choice.provider not in _PROVIDERS:
        return None
    for variable in _PROVIDERS[choice.provider].keys:
        if key := environment.get(variable, "").strip():
            return key
    settings = settings or read_settings(default_config_file(environment))
    if settings.api_key is None or settings.name is None:
        return None
    owner = _named(settings.name, SHOWN_CONFIG, {}, settings)
    same = (owner.provider, owner.base_url) == (choice.provider, choice.base_url)
    return settings.api_key if same else None


def _named(
    text: str, source: str, environment: Mapping[str, str], settings: Settings
) -> ModelChoice:
    """Return the choice that `text` names; what is wrong with the name is its problem."""
    if text == EMBEDDED:
        return ModelChoice(EMBEDDED, source)
    if text.startswith(("http://", "https://")):
        address, _, model = text.partition("#")
        return _compatible(model, address, source)
    provider, _, model = text.partition(":")
    if provider not in _PROVIDERS:
        allowed = ", ".join(f"{name}:MODEL" for name in _PROVIDERS)
        told = (
            f"{_shown(text)} is unknown; allowed: {allowed}, http://HOST:PORT/v1#MODEL, embedded"
        )
        return ModelChoice(EMBEDDED, source, problem=told)
    if not model or len(model) > _LONGEST_NAME or not model.isprintable():
        return ModelChoice(EMBEDDED, source, problem=f"{_shown(text)} names no model")
    if provider == "local":
        path = Path(os.path.expanduser(model))  # an unknown ~user is a name like any other
        return ModelChoice(f"local:{path.name}", source, path=path)
    given = environment.get("SEALTUNE_BASE_URL") or _address_of(provider, settings)
    if provider == "openai-compatible":
        return _compatible(model, given, source)
    if provider == "ollama":
        return _at(text, source, given or _OLLAMA)
    # The client reads OPENAI_BASE_URL by itself; so that it is shown, it stands here too.
    own = environment.get("OPENAI_BASE_URL") if provider == "openai" else None
    return _at(text, source, own or None)


def _address_of(provider: str, settings: Settings) -> str | None:
    """Return the file's address if it is of a model of `provider`: it stands for no other."""
    owner = (settings.name or "openai-compatible").partition(":")[0]
    return settings.base_url if owner == provider else None


def _at(name: str, source: str, address: str | None) -> ModelChoice:
    """Return the choice called `name`, at `address` if that is one."""
    problem = _wrong_address(address)
    return ModelChoice(name, source, None if problem else address, problem=problem)


def _compatible(model: str, address: str | None, source: str) -> ModelChoice:
    name = f"openai-compatible:{model}"
    if not address:
        return ModelChoice(name, source, problem="SEALTUNE_BASE_URL is not set")
    if problem := _wrong_address(address):
        return ModelChoice(name, source, problem=problem)
    if not model or len(model) > _LONGEST_NAME or not model.isprintable():
        told = f"{address} names no model; add it after a #, such as {address}#qwen3"
        return ModelChoice(name, source, address, problem=told)
    return ModelChoice(name, source, address)


def _wrong_address(address: str | None) -> str | None:
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and not re.search(r"\s", address)
    except ValueError:
        return "the address of the model is no URL; need such as http://127.0.0.1:8000/v1"
    if parts.username or parts.password or parts.query:
        # Such an address would carry the key into reports and logs.
        return "the address of the model holds a key; put it into SEALTUNE_API_KEY"
    if not usable:
        return f"{_shown(address)} is no http address; need such as http://127.0.0.1:8000/v1"
    return None


def _lack(choice: ModelChoice, environment: Mapping[str, str], settings: Settings) -> str | None:
    """Return what `choice` needs and does not have, ``None`` when it is complete."""
    if choice.is_embedded:
        return None
    provider = _PROVIDERS[choice.provider]
    if not _importable(provider.module):
        return f"{choice.provider} needs: pip install 'sealtune[{provider.extra}]'"
    if choice.path is not None and not os.path.isfile(choice.path):
        return f"{choice.path.name} is no file that can be read"
    if provider.needs_key and find_key(choice, environment, settings) is None:
        return f"{' or '.join(provider.keys)} is not set"
    return None


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
