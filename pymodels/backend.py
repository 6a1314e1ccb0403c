"""All that the author of a backend imports, in one place.

A backend is a module with two classes, `Storage` and `Query`, subclasses of
`BaseStorage` and `BaseQuery`. What they must and may write is in `hooks.py`, hook by
hook; `docs/write-a-backend.md` goes through it with an example.
"""

from pymodels import errors
from pymodels.hooks import IS_THERE
from pymodels.indexes import BoundIndex, Index
from pymodels.keys import is_key
from pymodels.law import evaluate, json_body, predicates
from pymodels.law.canonical import canonical
from pymodels.law.changes import Changes, apply
from pymodels.law.evaluate import matcher
from pymodels.law.predicates import HasKind, Predicate, spelled, terms_of
from pymodels.law.shapes import ANYTHING, Member, Shape
from pymodels.law.values import (
    KEY,
    LARGEST_INTEGER,
    ORDERED,
    SMALLEST_INTEGER,
    Kind,
    Path,
    Record,
    equal,
    is_naive,
    kind_of,
    read,
    same,
    sort_key,
)
from pymodels.models.fast_loading import (
    datetimes_among_values,
    json_loader,
    json_sifter,
    value_loader,
)
from pymodels.models.fast_writing import exact_dumper, json_dumper, number
from pymodels.querying.plan import Native, Order, Pushed, Row, Spec
from pymodels.querying.protocols import (
    Codec,
    Instance,
    M,
    check_model,
    codec_of,
    is_model,
)
from pymodels.querying.query import BaseQuery
from pymodels.querying.rounding import to_milliseconds
from pymodels.settings import from_query
from pymodels.storage import BaseStorage

__all__ = [
    "ANYTHING",
    "IS_THERE",
    "KEY",
    "LARGEST_INTEGER",
    "ORDERED",
    "SMALLEST_INTEGER",
    "BaseQuery",
    "BaseStorage",
    "BoundIndex",
    "Changes",
    "Codec",
    "HasKind",
    "Index",
    "Instance",
    "Kind",
    "M",
    "Member",
    "Native",
    "Order",
    "Path",
    "Predicate",
    "Pushed",
    "Record",
    "Row",
    "Shape",
    "Spec",
    "apply",
    "canonical",
    "check_model",
    "codec_of",
    "datetimes_among_values",
    "equal",
    "errors",
    "evaluate",
    "exact_dumper",
    "from_query",
    "is_key",
    "is_model",
    "is_naive",
    "json_body",
    "json_dumper",
    "json_loader",
    "json_sifter",
    "kind_of",
    "matcher",
    "number",
    "predicates",
    "read",
    "same",
    "sort_key",
    "spelled",
    "terms_of",
    "to_milliseconds",
    "value_loader",
]
