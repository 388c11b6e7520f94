"""The numbered, append-only migrations of the history's database, as SQL files beside this one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema; once released it is never edited."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What tells an edited migration from the one that was applied."""
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """All migrations, oldest first."""
    files = sorted(Path(__file__).parent.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return tuple(
        Migration(version=int(p.name[:4]), name=p.stem, sql=p.read_text(encoding="utf-8"))
        for p in files
    )
