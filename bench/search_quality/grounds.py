"""What is searched: the synthetic families and every recording in bench/surfaces."""

from functools import lru_cache
from pathlib import Path

from bench.families import FAMILIES, family
from bench.ground import Ground
from bench.replay import Replay
from sealtune.errors import ConfigError
from sealtune.survey.surface import Surface, load_surface

SURFACES = Path(__file__).parents[1] / "surfaces"
LEAST_GAIN = 0.02
"""Logarithm: a recording on which less can be gained shows no difference between searches."""


def recordings(folder: Path = SURFACES) -> dict[str, Path]:
    """Return the recordings that exist, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.jsonl"))}


def missing_recordings(folder: Path = SURFACES) -> tuple[str, ...]:
    """Return the names of configs beside which there is no recording."""
    known = recordings(folder)
    return tuple(path.stem for path in sorted(folder.glob("*.json")) if path.stem not in known)


def known_surfaces() -> tuple[str, ...]:
    """Return every name that `ground` takes, families first."""
    return (*FAMILIES, *recordings())


@lru_cache(maxsize=4)  # the jobs of one surface and seed come one after the other
def ground(name: str, seed: int) -> Ground:
    """Return surface `name`: number `seed` of a family, or a recording replayed with `seed`.

    Raises:
        ConfigError: There is no such surface.
    """
    if name in FAMILIES:
        return family(name, seed)
    known = recordings()
    if name not in known:
        raise ConfigError(f"surfaces: {name!r} is none of {', '.join(known_surfaces())}")
    return replayed(name, _loaded(known[name]), seed)


@lru_cache(maxsize=8)
def _loaded(path: Path) -> Surface:
    return load_surface(path)


def replayed(name: str, surface: Surface, seed: int) -> Ground:
    """Return a recording as a ground: a held-out forest is the truth, recorded noise the noise."""
    replay = Replay(surface, seed)
    start = replay.log_ratio(surface.originals)
    return Ground(
        name,
        replay.space,
        lambda setting: replay.log_ratio(setting) - start,
        replay.optimum,
        surface.noise,
        replay.afresh,
        fidelity=replay.rank_correlation,
    )


def worthless(name: str, seed: int) -> str | None:
    """Return why searches cannot be compared on surface `name`, ``None`` if they can."""
    best = ground(name, seed).best
    if best >= LEAST_GAIN:
        return None
    return (
        f"{name}: left out, at most {best:.1%} can be gained on it, and {LEAST_GAIN:.0%} is asked"
    )
