"""PyModels: define models once, keep them in any document store.

>>> import pymodels
>>> class Person(pymodels.Model):
...     name: str
...     age: int
>>> storage = pymodels.get_storage("memory://")
>>> key = Person(name="Ada", age=36).save(storage)
>>> Person.objects(storage).where(age__gt=30).one().name
'Ada'
"""

from pymodels.errors import (
    DanglingReference,
    DefinitionError,
    DuplicateKey,
    EncodeError,
    InvalidRecord,
    LostUpdateWarning,
    MultipleFound,
    NotInModel,
    PyModelsError,
    QueryError,
    RecordError,
    RecordNotFound,
    ResidualForbidden,
    ResidualWarning,
    SettingsError,
    StorageBusy,
    StorageClosed,
    StorageError,
    UnknownField,
    UnknownLookup,
    Unsupported,
    WriteInterrupted,
    WriteUncertain,
)
from pymodels.indexes import Index
from pymodels.law.predicates import Predicate
from pymodels.models.model import Model
from pymodels.models.references import Reference
from pymodels.querying.expressions import F
from pymodels.querying.query import BaseQuery
from pymodels.registry import get_storage
from pymodels.storage import BaseStorage

__version__ = "1.0.0"

__all__ = [
    "BaseQuery",
    "BaseStorage",
    "DanglingReference",
    "DefinitionError",
    "DuplicateKey",
    "EncodeError",
    "F",
    "Index",
    "InvalidRecord",
    "LostUpdateWarning",
    "Model",
    "MultipleFound",
    "NotInModel",
    "Predicate",
    "PyModelsError",
    "QueryError",
    "RecordError",
    "RecordNotFound",
    "Reference",
    "ResidualForbidden",
    "ResidualWarning",
    "SettingsError",
    "StorageBusy",
    "StorageClosed",
    "StorageError",
    "UnknownField",
    "UnknownLookup",
    "Unsupported",
    "WriteInterrupted",
    "WriteUncertain",
    "get_storage",
]
