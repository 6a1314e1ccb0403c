"""libtokyocabinet through ctypes: tables, hashes and B+ trees, bytes in and out.

Few, big calls: a record crosses as one byte string (`pymodels.tokyo.packing`), so
that no compiler is needed and little time is lost. This folder is the only place
that imports ctypes. The documentation of the library:
https://dbmx.net/tokyocabinet/spex-en.html
"""

from pymodels.tokyo.errors import LibraryMissing, TokyoError
from pymodels.tokyo.library.database import OpenMode, Option, Tuning
from pymodels.tokyo.library.functions import is_installed, version
from pymodels.tokyo.library.table import Table
from pymodels.tokyo.library.trees import BTree, Hash

__all__ = [
    "BTree",
    "Hash",
    "LibraryMissing",
    "OpenMode",
    "Option",
    "Table",
    "TokyoError",
    "Tuning",
    "is_installed",
    "version",
]
