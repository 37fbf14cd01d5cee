"""PATH FOLDER: opens, migrates, prints the numbers it applied itself."""

from __future__ import annotations

import sys
from pathlib import Path

from rollbook.storage.migrate import migrate
from rollbook.storage.sqlite import SQLite

db = SQLite.open(sys.argv[1])
print(*(migration.number for migration in migrate(db, Path(sys.argv[2]))))
db.close()
