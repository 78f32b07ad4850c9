"""Starting the real guard in tests, one at a time on this machine."""

import time

import pytest

from sealtune.errors import BusyError
from sealtune.guard import Guard


def start_guard(**options):
    """Start the guard; another sealtune on this machine may take some seconds to end."""
    for _ in range(100):
        try:
            return Guard.start(**options)
        except BusyError:
            time.sleep(0.2)
    pytest.skip("another sealtune is tuning this machine")
