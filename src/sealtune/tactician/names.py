"""The tacticians there are. Loads nothing, so that the command line may list them."""

from importlib.util import find_spec

from sealtune.errors import ConfigError

PEERS = ("tpe", "gp", "cmaes", "random", "sobol", "grid", "smac", "hebo")
TACTICIANS = ("ppo", "ppo-only", *PEERS)

_OPTIONAL = {
    "smac": ("smac", "pip install 'sealtune[smac]'"),
    # HEBO's last release asks for numpy < 1.25, which the other packages here cannot live with;
    # its code can do with newer ones. So: what it needs, and then HEBO alone. Newer releases of
    # pymoo draw from a generator that cannot be seeded from outside.
    "hebo": ("hebo", "pip install 'sealtune[hebo]' && pip install --no-deps 'HEBO==0.3.6'"),
}
"""Tactician to the package that it is made of and the line that installs it."""


def how_to_install(name: str) -> str | None:
    """Return the line that installs what tactician `name` lacks; ``None`` if it is all there."""
    package, line = _OPTIONAL.get(name, ("", ""))
    return line if package and find_spec(package) is None else None


def check_tactician(name: str, where: str = "tactician") -> None:
    """Refuse a tactician that there is not, or whose package is not installed.

    Args:
        name: What was asked for.
        where: The option or field that named it.

    Raises:
        ConfigError: Lists the allowed names, or says how to install the package.
    """
    if name not in TACTICIANS:
        raise ConfigError(f"{where} {name}: allowed: {', '.join(TACTICIANS)}")
    line = how_to_install(name)
    if line is not None:
        raise ConfigError(f"{where} {name}: its package is not installed", fix=line)
