"""A service on loopback that behaves as a sensible model would, from the sentence to the end."""

import json
from typing import Any

from tests.openai_server import Call, Calls, OpenAIServer, Received, Reply, Text


class Service(OpenAIServer):
    """A service whose script may hold functions of the request beside ready answers."""

    def take(self, request: Received) -> Reply:
        """Return what `request` is answered with."""
        reply = super().take(request)
        return reply(request) if callable(reply) else reply


def tool_results(request: Received) -> list[str]:
    """Return the answers of the tools in a request, oldest first."""
    return [message["content"] for message in request.messages if message["role"] == "tool"]


def last_result(request: Received) -> dict[str, Any]:
    """Return the newest answer of a tool."""
    return json.loads(tool_results(request)[-1])


def optimize(request: Received) -> Call:
    """Hand the config that was proposed to the tool that tunes."""
    return Call("optimize_workload", {"config_json": last_result(request)["config"]})


def introduce_and_optimize(request: Received) -> Reply:
    """Say what will be tried, then call the tool that tunes."""
    proposal = last_result(request)
    names = [f"`{parameter['name']}`" for parameter in proposal["parameters"]]
    text = (
        f"I read this as **{proposal['understood']}**. One client waits for each answer, so what "
        f"counts is how fast the machine wakes up: I would start with {' and '.join(names[:2])}, "
        f"{len(names)} parameters in all, and measure with `{proposal['benchmark']}`. "
        "The plan follows; everything is put back afterwards."
    )
    return Calls((optimize(request),), text)


def conclude(request: Received) -> Reply:
    """Tell the verdict, and offer to keep a confirmed gain."""
    found = last_result(request)
    if "sentence" not in found:
        return Text("Nothing was touched. Say what should be different.")
    if not found["can_be_applied"]:
        simulated = "SIMULATED. " if found["simulated"] else ""
        return Text(f"{simulated}{found['sentence']} There is nothing to keep.")
    text = (
        f"{found['sentence']} Every parameter is back as it was. It can be kept for good, and "
        "undone at any time:"
    )
    return Calls((Call("apply_permanently", {"session": found["session"]}),), text)


def demonstration(description: str, **wishes: Any) -> Service:
    """Return a service that looks, proposes, tunes, tells the verdict and offers to keep it.

    Args:
        description: What the person asks for.
        wishes: Further arguments of ``propose_config``, such as minutes.
    """
    return Service(
        [
            Calls((Call("inspect_system"),), "I look at this machine first."),
            Call("propose_config", {"description": description, **wishes}),
            introduce_and_optimize,
            conclude,
        ],
        then=Text("Nothing was kept. Say `apply it` whenever you want the gain for good."),
    )
