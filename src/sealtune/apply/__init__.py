"""Making a confirmed setting permanent, undoing that, and telling whether it still holds.

`apply_result` is the front door: it refuses everything but a confirmed, real improvement.
`plan_files` shows what would be written, `apply_setting` writes it, `revert` undoes it and
`status` reports drift. Kernel values are set only through a `LiveWriter`: the guard.
"""

from sealtune.apply.conflicts import Conflict, find_conflicts
from sealtune.apply.live import LiveWriter, live_writer, read_live
from sealtune.apply.persist import Applied, apply_result, apply_setting, confirmed_gain
from sealtune.apply.plan import FilePlan, plan_files, safe_name
from sealtune.apply.revert import Reverted, revert
from sealtune.apply.status import AppliedStatus, FileStatus, ParameterStatus, status

__all__ = [
    "Applied",
    "AppliedStatus",
    "Conflict",
    "FilePlan",
    "FileStatus",
    "LiveWriter",
    "ParameterStatus",
    "Reverted",
    "apply_result",
    "apply_setting",
    "confirmed_gain",
    "find_conflicts",
    "live_writer",
    "plan_files",
    "read_live",
    "revert",
    "safe_name",
    "status",
]
