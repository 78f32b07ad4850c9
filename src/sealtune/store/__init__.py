"""Sessions, trials and experiences on disk, so that what is known survives whatever happens next.

A lower layer than the benchmarks: it takes and returns plain fields. `SqliteStore` is the store;
`Store` is what every other one has to promise (``tests/contracts/store.py`` checks it).
"""

from sealtune.store.base import NewSession, SessionRow, Store, TrialRow
from sealtune.store.database import default_store_path
from sealtune.store.experience import Experience
from sealtune.store.moments import Moment
from sealtune.store.sqlite import SqliteStore

__all__ = [
    "Experience",
    "Moment",
    "NewSession",
    "SessionRow",
    "SqliteStore",
    "Store",
    "TrialRow",
    "default_store_path",
]
