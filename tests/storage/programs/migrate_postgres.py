"""URL [FOLDER]: migrates, prints the numbers it applied itself."""

from __future__ import annotations

import sys
from pathlib import Path

from rollbook.config import Settings
from rollbook.records.connect import connect
from rollbook.storage.migrate import migrate

db = connect(Settings(database=sys.argv[1]), for_migration=True)
print(*(migration.number for migration in migrate(db, Path(sys.argv[2]) if sys.argv[2:] else None)))
db.close()
