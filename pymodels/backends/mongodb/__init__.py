"""Records as natural documents of a MongoDB collection."""

from pymodels.backends.mongodb.query import Query
from pymodels.backends.mongodb.storage import Storage

Storage.query_class = Query

__all__ = ["Query", "Storage"]
