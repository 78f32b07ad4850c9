"""How Gymnasium learns of the environment.

Gymnasium 1 has no entry points for environments: somebody must call `register`. Importing
`sealtune.tactician` after Gymnasium does, and so does the first use of `OSTuningEnv`.
"""

import sys

ENVIRONMENT_ID = "sealtune/OSTuning-v0"


def register() -> None:
    """Make ``gymnasium.make(ENVIRONMENT_ID)`` work; does nothing the second time."""
    from gymnasium.envs import registration

    if ENVIRONMENT_ID not in registration.registry:
        registration.register(ENVIRONMENT_ID, entry_point="sealtune.tactician.env:OSTuningEnv")


def register_if_used() -> None:
    """Register where Gymnasium is loaded already; never load it for that."""
    if "gymnasium" in sys.modules:
        register()
