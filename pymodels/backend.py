"""The one door for the author of a backend: all that a backend imports, and no more.

A backend is a module with a class `Storage` and perhaps a class `Query`. What the hooks
are for, one by one, is in `hooks.py`; `docs/write-a-backend.md` starts from an empty
file. What stands behind this door and is not named here may change at any time.

The two classes to start from:

* `BaseStorage`, `BaseQuery`: what users call, written once; the hooks have defaults.
* `M`: the type variable of the model, for ``class Query(BaseQuery[M])``.

What hooks are given, and what they give:

* `Row`: a tuple of the key and the stored form. `Record`: the dict that it stands for.
* `Changes`: what `patch` writes. `apply`: gives a record with the changes in it.
  `between`: the changes from one record to another.
* `Shape`: what a model declares about one place in its records, and below it.
  `Member`: one declared name. `ANYTHING`: the shape of what nobody declares.
* `Pushed`: the half of a query that the database runs. `Native`: one term of it in the
  database's language. `Order`: one name to order by.
* `BoundIndex`: an index that a model asks for, with its paths and its membership.
* `Instance`: an object of a model. `Codec`: what its class knows of its records.
  `codec_of`: gives the codec of a model. `is_model`: whether something is a model.
  `check_model`: raises `TypeError` if not.

Predicates, which `compile` translates:

* `predicates`: the module of all nodes: `Equal`, `Less`, `In`, `And` ... A backend
  usually imports it as `p`. `Predicate`: the base of all. `HasKind`: the node of
  membership.
* `terms_of`: the terms of an `And`, or the one predicate. `spelled`: a path as users
  write it. `matcher`: gives the function of key and record that says whether the law
  says yes. `evaluate`: the module behind it, for tests of one value.

Values, as the law has them:

* `Kind`, `kind_of`: what a value is for comparison. `ORDERED`: the kinds that have
  "less" and "greater". `sort_key`: what a value sorts by.
* `equal`: equal to a query. `same`: equal to the last bit, as a save compares.
* `Path`: the names from a record down to a value. `KEY`: the path of the key. `read`:
  the value at a path.
* `SMALLEST_INTEGER`, `LARGEST_INTEGER`: whole numbers are between these. `is_naive`:
  whether a datetime has no time zone. `to_milliseconds`: a datetime cut to what a
  storage with `keeps_milliseconds` keeps. `is_key`: whether something can be a key.

Rows of JSON, and the short ways, which are faster and give the same:

* `json_body`: the module that makes JSON text and a note of kinds of a record.
* `json_loader`, `json_sifter`, `json_dumper`: the hooks `loader`, `sifter` and `dumper`
  for rows of (key, body, kinds).
* `value_loader`, `datetimes_among_values`: for drivers that give Python's own values.
* `exact_dumper`: a `dumper` for spellings of your own. `number`: a spelling that takes
  numbers that are finite and fit.

Opening, and failing:

* `from_query`: the settings in the query of a URL, for `url_settings`.
* `errors`: the module of all errors; a backend raises these, with the driver's own as
  the cause.
"""

from pymodels import errors
from pymodels.indexes import BoundIndex
from pymodels.keys import is_key
from pymodels.law import evaluate, json_body, predicates
from pymodels.law.changes import Changes, apply, between
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
from pymodels.querying.plan import Native, Order, Pushed, Row
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
    "apply",
    "between",
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
