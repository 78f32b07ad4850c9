"""A console on which nothing that others wrote can act."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


class Harmless(Console):
    """A console that drops what would steer the terminal, or hide text from the reader's eye.

    Text of others (a description, a model, a benchmark, a session of long ago) is cleaned where it
    comes in; this is the last door, and our own colours pass it, for they are no text.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render `renderable` as `Console.render` does, each piece of text made harmless."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                shown = "".join(sign for sign in text if sign == "\n" or sign.isprintable())
                yield Segment(shown, segment.style)
