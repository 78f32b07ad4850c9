"""The tables, and the plain JSON that their mapping columns hold."""

import json
import math
from collections.abc import Mapping
from typing import Any

VERSION = 3
"""1: sessions, trials, intervals. 2: experiences beside them; which strategy a trial was for.
3: what a running session says beside its trials."""

# A finished trial never changes: the database itself refuses, whatever the program tries.
TABLES = """
CREATE TABLE IF NOT EXISTS session (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('running', 'interrupted', 'finished', 'failed')),
  started REAL NOT NULL,
  finished REAL,
  workload TEXT NOT NULL,
  description TEXT NOT NULL,
  config TEXT NOT NULL,
  facts TEXT NOT NULL,
  arguments TEXT NOT NULL,
  benchmark TEXT NOT NULL,
  seed INTEGER NOT NULL,
  simulated INTEGER NOT NULL,
  result TEXT,
  pid INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  start_ticks INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS trial (
  number INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES session (number),
  phase TEXT NOT NULL
    CHECK (phase IN ('aa', 'search', 'sentinel', 'screening', 'confirm', 'minimise')),
  "index" INTEGER NOT NULL,
  setting TEXT NOT NULL,
  score REAL,
  started REAL NOT NULL,
  value REAL,
  metric TEXT NOT NULL,
  unit TEXT NOT NULL,
  direction TEXT NOT NULL,
  interval_seconds REAL NOT NULL,
  latency_ms TEXT NOT NULL,
  errors INTEGER NOT NULL,
  seconds REAL NOT NULL,
  settle_seconds REAL NOT NULL,
  state TEXT NOT NULL,
  cut_short INTEGER NOT NULL,
  failure TEXT,
  unsafe INTEGER NOT NULL,
  strategy INTEGER NOT NULL DEFAULT 1,
  UNIQUE (session, phase, "index")
);
CREATE TABLE IF NOT EXISTS interval (
  trial INTEGER NOT NULL REFERENCES trial (number),
  position INTEGER NOT NULL,
  value REAL,
  PRIMARY KEY (trial, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS experience (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  session TEXT NOT NULL,
  "when" REAL NOT NULL,
  description TEXT NOT NULL,
  workload_class TEXT NOT NULL,
  traits TEXT NOT NULL,
  facts TEXT NOT NULL,
  baseline TEXT NOT NULL,
  originals TEXT NOT NULL,
  config TEXT NOT NULL,
  strategist TEXT NOT NULL,
  verdict TEXT NOT NULL,
  reward REAL NOT NULL,
  evidence TEXT NOT NULL CHECK (evidence IN ('confirmed', 'screened', 'searched')),
  gain TEXT,
  setting TEXT NOT NULL,
  effects TEXT NOT NULL,
  failed TEXT NOT NULL,
  simulated INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS moment (
  number INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES session (number),
  at REAL NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('plan', 'phase', 'run', 'note', 'error')),
  body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS moment_of ON moment (session);
CREATE TRIGGER IF NOT EXISTS experience_stays BEFORE UPDATE ON experience
  BEGIN SELECT RAISE(ABORT, 'an experience never changes'); END;
CREATE TRIGGER IF NOT EXISTS trial_stays BEFORE UPDATE ON trial
  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;
CREATE TRIGGER IF NOT EXISTS trial_is_kept BEFORE DELETE ON trial
  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;
CREATE TRIGGER IF NOT EXISTS interval_stays BEFORE UPDATE ON interval
  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;
CREATE TRIGGER IF NOT EXISTS interval_is_kept BEFORE DELETE ON interval
  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;
"""

CREATE = f"BEGIN IMMEDIATE;{TABLES}COMMIT;"
"""Creates what is missing in one transaction; harmless when another process was first."""

UPGRADES = {1: "ALTER TABLE trial ADD COLUMN strategy INTEGER NOT NULL DEFAULT 1"}
"""Version of a file to the statement that makes its tables those of the next version."""


def dump(value: Any) -> str:  # noqa: ANN401 - anything a result may hold
    """Return `value` as strict JSON: no NaN, numbers of numpy as plain ones.

    >>> dump({"a": float("nan"), "b": (1, "x")})
    '{"a": null, "b": [1, "x"]}'
    """
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
