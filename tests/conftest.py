"""Sessions in tests are about the loop; the explanation at their end has tests of its own."""

import functools
import os
import sys

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # There are as many workers as processors: more threads would wait for each other, spinning.
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy loads


@pytest.fixture(autouse=True)
def _short_explanation(monkeypatch):
    """Explain each session by a tenth of the refits, which are most of its CPU."""
    session = sys.modules.get("sealtune.session")  # loaded by the tests that run one
    if session is not None:
        from sealtune.verdict import weigh_knobs

        quick = functools.partial(weigh_knobs, resamples=4, shadow_fits=2)
        monkeypatch.setattr(session, "weigh_knobs", quick)
