"""Tokyo Cabinet: direct access to .tct, .tch and .tcb files.

Facts and measurements are in `docs/backends/tokyo_cabinet.md`. The driver is our
own: `pymodels.tokyo.library`.
"""

from pymodels.backends.tokyo_cabinet.query import Query
from pymodels.backends.tokyo_cabinet.storage import Storage

Storage.query_class = Query

__all__ = ["Query", "Storage"]
