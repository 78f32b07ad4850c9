"""The tacticians there are. Loads nothing, so that the command line may list them."""

PEERS = ("tpe", "gp", "cmaes", "random", "grid")
TACTICIANS = ("ppo", "ppo-only", *PEERS)
