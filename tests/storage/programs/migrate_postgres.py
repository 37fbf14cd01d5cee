"""URL [FOLDER]: migrates, prints the numbers it applied itself."""

from __future__ import annotations

import sys
from pathlib import Path

from rollbook.config import Settings
from rollbook.records import opening
from rollbook.storage.migrate import migrate

db = opening.open_for_migration(Settings(database=sys.argv[1]))
print(*(migration.number for migration in migrate(db, Path(sys.argv[2]) if sys.argv[2:] else None)))
db.close()
