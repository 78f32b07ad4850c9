"""Makes limits.py from knobs.toml: ``python -m sealtune.catalogue.compile``.

The guard cannot afford a parser or a check that may fail when it starts, so it gets a literal.
"""

import sys
from pathlib import Path

from sealtune.catalogue.bounds import Limit
from sealtune.catalogue.knob import Knob
from sealtune.catalogue.loading import Catalogue, load_catalogue

TARGET = Path(__file__).with_name("limits.py")

_HEAD = '''"""What the guard may write. Made by `sealtune.catalogue.compile`; do not edit."""

from sealtune.catalogue.bounds import Limit

LIMITS: dict[str, Limit] = {
'''


def limit_of(knob: Knob) -> Limit:
    """Return the part of `knob` that the guard checks and orders its writes by."""
    return Limit(
        path=knob.path,
        kind=knob.kind,
        low=knob.low,
        high=knob.high,
        choices=knob.choices,
        step=knob.step,
        order=knob.order,
        saved_with=knob.saved_with,
        below=knob.below,
        under=(knob.under.param, knob.under.values) if knob.under else None,
    )


def source_of(catalogue: Catalogue) -> str:
    """Return the Python source of limits.py for `catalogue`, in our formatter's layout."""
    lines = [_HEAD]
    for knob in catalogue.knobs:
        lines.append(f"    {_quote(knob.name)}: Limit(\n")
        for key, value in limit_of(knob)._asdict().items():
            lines.append(f"        {key}={_literal(value)},\n")
        lines.append("    ),\n")
    return "".join([*lines, "}\n"])


def main() -> int:
    """Write limits.py and return the exit code."""
    TARGET.write_text(source_of(load_catalogue()), "utf-8")
    print(f"{TARGET.name}: {len(load_catalogue().knobs)} parameters")
    return 0


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(map(_literal, value))
        if len(inner) > 70:
            rows = "".join(f"            {_literal(item)},\n" for item in value)
            return f"(\n{rows}        )"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return _quote(value) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    sys.exit(main())
