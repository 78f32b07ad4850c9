"""Why a model gave no answer: one name and one clause for every way it can fail."""

from dataclasses import dataclass

from pydantic_ai import exceptions


@dataclass(frozen=True, slots=True)
class Failure:
    """One way a model can fail.

    Attributes:
        kind: Its name, which recordings keep.
        words: What happened, to follow the model's name in a sentence.
        errors: What pydantic-ai raises for it; the first one is raised again by a replay.
        passing: Whether the same request may well succeed a moment later.
    """

    kind: str
    words: str
    errors: tuple[type[exceptions.AgentRunError], ...]
    passing: bool = False


_FAILURES = (
    Failure(
        "time-out",
        "did not answer in time",
        (exceptions.ModelTimeoutError, exceptions.ModelRequestTimeout),
    ),
    Failure("quota", "has no credit left", (exceptions.ModelQuotaExceededError,)),
    Failure(
        "rate limit",
        "limits how often it is asked",
        (exceptions.ModelRateLimitError,),
        passing=True,
    ),
    Failure("key", "refused the key", (exceptions.ModelAuthenticationError,)),
    Failure("not found", "is not known to its service", (exceptions.ModelNotFoundError,)),
    Failure(
        "too long", "cannot read so long a prompt", (exceptions.ModelContextWindowExceededError,)
    ),
    Failure("connection", "cannot be reached", (exceptions.ModelConnectionError,), passing=True),
    Failure(
        "server",
        "failed on its own side",
        (exceptions.ModelServerError, exceptions.ModelUnavailableError),
        passing=True,
    ),
    Failure(
        "rejected",
        "refused the request",
        (exceptions.ModelRequestRejectedError, exceptions.ModelHTTPError),
    ),
    Failure("unreadable", "sent what cannot be read", (exceptions.ModelAPIError,)),
    Failure("declined", "declined to answer", (exceptions.ContentFilterError,)),
    Failure("cut off", "gave an answer that was cut off", (exceptions.OutputTokenLimitExceeded,)),
    Failure("unusable", "gave no usable answer", (exceptions.UnexpectedModelBehavior,)),
    Failure("other", "failed", (exceptions.AgentRunError,)),
)


def failure_of(error: BaseException) -> Failure | None:
    """Return which failure `error` is; ``None`` if it is none of a model's."""
    for failure in _FAILURES:
        if isinstance(error, failure.errors):
            return failure
    return None


def words_of(error: BaseException) -> str:
    """Return what happened in a clause to follow the model's name, whatever was raised."""
    failure = failure_of(error)
    # Not the error's own words: they may hold a part of the key.
    return failure.words if failure else f"failed ({type(error).__name__})"


def raised_again(kind: str, model_name: str) -> exceptions.AgentRunError:
    """Return an error of `kind`, as the model called `model_name` would raise it.

    Raises:
        KeyError: There is no such kind.
    """
    failure = {failure.kind: failure for failure in _FAILURES}[kind]
    error, message = failure.errors[0], f"recorded failure: {model_name} {failure.words}"
    if issubclass(error, exceptions.ModelAPIError):
        return error(model_name, message)
    return error(message)
