"""What a sampler may offer beside `Sampler`: to learn anew when scores were corrected."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from sealtune.space.knobs import Setting


@runtime_checkable
class Relearns(Protocol):
    """A sampler that can be told everything again.

    The baseline that a trial is compared with is known better once it has been measured after
    the trial too, and quite differently when the machine turns out to have changed meanwhile.
    """

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Replace everything told so far.

        Args:
            trials: Every setting that was told, in the same order, with its corrected score;
                higher is better, ``None`` if it failed.
        """
