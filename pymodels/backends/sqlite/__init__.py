"""SQLite: one table of key, JSON body and note of kinds; the embedded default.

Facts and measurements are in `docs/backends/sqlite.md`. The driver is the
standard library's `sqlite3` (https://www.sqlite.org/json1.html for the functions).
"""

from pymodels.backends.sqlite.query import Query
from pymodels.backends.sqlite.storage import Storage

Storage.query_class = Query

__all__ = ["Query", "Storage"]
