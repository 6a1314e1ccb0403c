"""Tokyo Tyrant: the files of Tokyo Cabinet through a daemon, for many clients.

The daemon is `pymodels serve` or the original `ttserver`; the driver is our own:
`pymodels.tokyo.client`. What can be asked of a table is shared with Tokyo Cabinet.
"""

from pymodels.backends.tokyo_tyrant.query import Query
from pymodels.backends.tokyo_tyrant.storage import Storage

Storage.query_class = Query

__all__ = ["Query", "Storage"]
