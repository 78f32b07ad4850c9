"""Fixtures of the adapter contract, for every test of this package."""

from tests.contracts.adapter import workdir

__all__ = ["workdir"]
