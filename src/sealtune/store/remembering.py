"""The experiences in the SQLite file: added, read, forgotten, never changed."""

import difflib
import sqlite3
from collections.abc import Iterable

from sealtune.errors import KeepingError, SessionNotFoundError
from sealtune.store import rows, schema
from sealtune.store.database import Database
from sealtune.store.experience import Experience

_LISTS_THEM = "`sealtune memory list` shows what is remembered."


class ExperienceTable(Database):
    """The part of the store that the memory is made of."""

    def add_experience(self, experience: Experience) -> None:
        """Make `experience` durable; see `Store.add_experience`."""
        row = {name: getattr(experience, name) for name in Experience.__dataclass_fields__}
        for name in rows.EXPERIENCE_JSON:
            row[name] = None if row[name] is None else schema.dump(row[name])
        with self._writing() as connection:
            if self._rows("SELECT 1 FROM experience WHERE id = ?", experience.id):
                raise KeepingError(
                    f"{experience.id}: its experience is already stored and never changes",
                    fix="Report this: a session was concluded twice.",
                )
            rows.insert(connection, "experience", row)

    def experiences(self, limit: int = 200, *, simulated: bool = False) -> tuple[Experience, ...]:
        """Return the newest experiences, newest first; see `Store.experiences`."""
        found = self._rows(
            "SELECT * FROM experience WHERE simulated = ? ORDER BY number DESC LIMIT ?",
            int(simulated),
            limit,
        )
        return tuple(self._read(rows.experience_row, found))

    def experience(self, id_or_prefix: str) -> Experience:
        """Return one experience by id or unique prefix; see `Store.experience`."""
        return self._read(rows.experience_row, [self._named(id_or_prefix)])[0]

    def forget(self, ids: Iterable[str] | None) -> int:
        """Remove experiences and return how many; see `Store.forget`."""
        with self._writing() as connection:
            if ids is None:
                return connection.execute("DELETE FROM experience").rowcount
            numbers = {self._named(wanted)["number"] for wanted in ids}
            connection.executemany(
                "DELETE FROM experience WHERE number = ?", [(number,) for number in numbers]
            )
        return len(numbers)

    def _named(self, wanted: str) -> sqlite3.Row:
        """Return the row of one experience.

        Raises:
            SessionNotFoundError: None or several match.
        """
        known = {str(row["id"]): row for row in self._rows("SELECT * FROM experience")}
        if wanted in known:
            return known[wanted]
        several = [name for name in known if wanted and name.startswith(wanted)]
        if len(several) == 1:
            return known[several[0]]
        if several:
            told = f"is the start of several experiences: {', '.join(several[:5])}"
            raise SessionNotFoundError(f"{wanted!r} {told}", fix=_LISTS_THEM)
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.3) or list(known)[-3:]
        told = ", ".join(near) or "none, nothing is remembered"
        raise SessionNotFoundError(f"no experience {wanted!r}; nearest: {told}", fix=_LISTS_THEM)
