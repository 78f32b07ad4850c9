"""From a `ModelChoice` to a model that can be asked, with time-outs and a little patience."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from sealtune.errors import ConfigError, SealtuneError
from sealtune.strategist.model.choice import ModelChoice, default_config_file, find_key
from sealtune.strategist.model.failure import failure_of, words_of
from sealtune.strategist.model.local import Served, serve
from sealtune.strategist.model.settings import read_settings

_MOST_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a model is waited for.

    Attributes:
        seconds: For each attempt [s].
        whole: For a request with all its attempts [s].
        retries: Further attempts after 429, 5xx and connection errors.
        longest_pause: Longest Retry-After that is waited for [s]; asked for more, we give up.
    """

    seconds: float = 60
    whole: float = 120
    retries: int = 2
    longest_pause: float = 20

    def pause(self, error: ModelAPIError, attempt: int) -> float | None:
        """Return how long to wait after attempt number `attempt` (from 0), ``None`` to give up."""
        failure = failure_of(error)
        if failure is None or not failure.passing or attempt >= self.retries:
            return None
        if error.retry_after is None:
            return 0.5 * 2.0**attempt
        return error.retry_after if error.retry_after <= self.longest_pause else None


_REMOTE = Patience()
_HERE = Patience(seconds=300, whole=600)
"""A processor takes minutes to read a prompt that a service reads in a second."""


def build(
    choice: ModelChoice,
    environment: Mapping[str, str] = os.environ,
    config_file: Path | None = None,
    patience: Patience | None = None,
) -> Model:
    """Return the model that `choice` names; sends nothing yet.

    A local GGUF file is loaded, and served on loopback by a process of its own until `release`.

    Args:
        choice: From `choose_model`; not ``embedded``.
        environment: Where its key is.
        config_file: Where its key is if it is not there; the default one when ``None``.
        patience: Time-outs; 60 s a request, 300 s when the model runs on this machine.

    Raises:
        ConfigError: The choice has a problem, or is no language model.
    """
    if choice.problem is not None:
        raise ConfigError(
            f"model: {choice.problem}",
            fix="Correct it, or choose another with --model; --model embedded needs none.",
        )
    if choice.is_embedded:
        raise ConfigError(f"model: {choice.name} is no language model")
    try:
        return _built(choice, environment, config_file, patience)
    except SealtuneError:
        raise
    except Exception as error:  # whatever a client makes of what the environment holds
        raise ConfigError(f"model: {choice.name} {words_of(error)}") from error


def _built(
    choice: ModelChoice,
    environment: Mapping[str, str],
    config_file: Path | None,
    patience: Patience | None,
) -> Model:
    settings = read_settings(config_file or default_config_file(environment))
    key = find_key(choice, environment, settings)
    patience = patience or (_HERE if choice.stays_here else _REMOTE)
    limits = ModelSettings(timeout=patience.seconds, request_timeout=patience.whole, max_retries=0)
    if choice.path is not None:
        served = serve(choice.path)
        client = _loopback_client()
        model = _compatible_model(choice, served.url, served.key, limits, client)
        return _Patient(model, patience, served)
    return _Patient(_BUILDERS[choice.provider](choice, key, limits), patience)


def release(model: Model) -> None:
    """End what `build` started for `model`, which cannot be asked afterwards. Safe to call twice.

    Whoever lets go of it without a word has it ended when this process ends.
    """
    while isinstance(model, WrapperModel):
        if isinstance(model, _Patient) and model.served is not None:
            model.served.close()
        model = model.wrapped


class _Patient(WrapperModel):
    """Asks again after what passes by itself, the same for every provider."""

    def __init__(self, wrapped: Model, patience: Patience, served: Served | None = None) -> None:
        super().__init__(wrapped)
        self.served = served
        self._patience = patience

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        attempt = 0
        while True:
            try:
                return await self.wrapped.request(
                    messages, model_settings, model_request_parameters
                )
            except ModelAPIError as error:
                await self._wait(error, attempt)
            attempt += 1

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        attempt, opened = 0, False
        while not opened:
            try:
                async with self.wrapped.request_stream(
                    messages, model_settings, model_request_parameters, run_context
                ) as stream:
                    opened = True
                    yield stream
            except ModelAPIError as error:
                if opened:
                    raise
                await self._wait(error, attempt)
            attempt += 1

    async def _wait(self, error: ModelAPIError, attempt: int) -> None:
        """Sleep before the next attempt, or raise `error` when there is to be none."""
        pause = self._patience.pause(error, attempt)
        if pause is None:
            raise error
        await asyncio.sleep(pause)


def _openai(choice: ModelChoice, key: str | None, limits: ModelSettings) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(api_key=key, base_url=choice.base_url)
    return OpenAIChatModel(choice.model, provider=provider, settings=limits)


def _anthropic(choice: ModelChoice, key: str | None, limits: ModelSettings) -> Model:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    provider = AnthropicProvider(api_key=key or "")
    return AnthropicModel(choice.model, provider=provider, settings=limits)


def _google(choice: ModelChoice, key: str | None, limits: ModelSettings) -> Model:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(api_key=key or "")
    return GoogleModel(choice.model, provider=provider, settings=limits)


def _mistral(choice: ModelChoice, key: str | None, limits: ModelSettings) -> Model:
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    provider = MistralProvider(api_key=key or "")
    return MistralModel(choice.model, provider=provider, settings=limits)


def _compatible(choice: ModelChoice, key: str | None, limits: ModelSettings) -> Model:
    client = _loopback_client() if choice.stays_here else None
    return _compatible_model(choice, str(choice.base_url), key, limits, client)


def _compatible_model(
    choice: ModelChoice,
    url: str,
    key: str | None,
    limits: ModelSettings,
    client: httpx2.AsyncClient | None,
) -> Model:
    """Return a model behind an OpenAI-compatible address, asking no more than small servers do."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    profile = OpenAIModelProfile(
        supports_inline_system_prompts=False,  # chat templates take them at the beginning only
        openai_chat_supports_max_completion_tokens=False,
    )
    provider = OpenAICompatibleProvider(
        choice.provider, base_url=url, api_key=key, http_client=client, profile=profile
    )
    # The client takes them from OPENAI_*, and they are for nobody but OpenAI. Nor may it be copied
    # for a setting of its own, for the copy would take them again.
    provider.client.organization = provider.client.project = None
    provider.client._custom_headers = {}
    provider.client.max_retries = limits["max_retries"]
    kept = ModelSettings(timeout=limits["timeout"], request_timeout=limits["request_timeout"])
    return OpenAIChatModel(
        choice.model,
        provider=provider,
        # Small models that lose the thread go on for ever; a service has a limit of its own.
        settings={**kept, "max_tokens": _MOST_TOKENS},
    )


def _loopback_client() -> httpx2.AsyncClient:
    """Return a client that asks no proxy and keeps no connection, so any event loop may use it."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(None, connect=5), transport=httpx2.AsyncHTTPTransport(limits=limits)
    )


_BUILDERS: Mapping[str, Callable[[ModelChoice, str | None, ModelSettings], Model]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "mistral": _mistral,
    "ollama": _compatible,
    "openai-compatible": _compatible,
}
