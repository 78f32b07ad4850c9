"""Sessions and trials on disk, so that a finished trial survives whatever happens next.

A lower layer than the benchmarks: it takes and returns plain fields. `SqliteStore` is the store;
`Store` is what every other one has to promise (``tests/contracts/store.py`` checks it).
"""

from sealtune.store.base import NewSession, SessionRow, Store, TrialRow
from sealtune.store.sqlite import SqliteStore, default_store_path

__all__ = ["NewSession", "SessionRow", "SqliteStore", "Store", "TrialRow", "default_store_path"]
