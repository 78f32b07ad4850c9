"""Fixtures for every test of this package: of the adapter contract, and of hostile benchmarks."""

from tests.benchmarks.attacks import attack
from tests.contracts.adapter import workdir

__all__ = ["attack", "workdir"]
