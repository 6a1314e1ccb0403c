"""What each command of the protocol does to a file: requests in, answers out.

No sockets here. Whoever calls lets one write run at a time, so that what reads,
compares and writes, as `patch` does, is one step.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from itertools import chain

from pymodels.tokyo import protocol as p
from pymodels.tokyo.protocol import FAILURE, Answer, Request
from pymodels.tokyo.search import IndexType
from pymodels.tokyo.serve.file import ServedFile
from pymodels.tokyo.serve.guards import (
    ORDERED,
    SMALL,
    has_empty,
    has_empty_joined,
    is_too_greedy,
    is_too_long,
    is_tuning,
)
from pymodels.tokyo.serve.patching import MISSING, patch_columns, patch_value
from pymodels.tokyo.serve.tracking import Notes

Strings = Sequence[bytes]

READING = frozenset(
    {
        *("get", "mget", "vsiz", "iterinit", "iternext", "fwmkeys"),
        *("rnum", "size", "stat", "setmst"),
        *("getlist", "getpart", "error", "regex", "search", "metasearch"),
    }
)
LONG = frozenset(
    {
        *("fwmkeys", "sync", "optimize", "vanish"),
        *("regex", "search", "metasearch", "setindex", "defrag", "cacheclear"),
    }
)
FRACTION = 10**12
"""Parts of one that the fraction of ``adddouble`` is counted in."""
EXTENT = -(2**63)
"""What stands for the integer part of what is no finite number."""
REGEX = 7
OPERATOR_MASK = (1 << 24) - 1


class Commands:
    """One file, asked by requests."""

    def __init__(self, file: ServedFile) -> None:
        self.file = file
        self._database = file.database
        self._began = time.monotonic()
        self._notes = Notes()
        self._counts = dict.fromkeys((one.name for one in p.COMMANDS.values()), 0)
        self._commands: dict[p.Command, Callable[[Request], Answer]] = {
            p.PUT: self._put,
            p.PUTKEEP: self._put,
            p.PUTCAT: self._put,
            p.PUTNR: self._put,
            p.PUTSHL: self._put_shl,
            p.OUT: lambda asked: done(self._database.out(asked.strings[0])),
            p.GET: lambda asked: given(self._database.get(asked.strings[0])),
            p.MGET: self._mget,
            p.VSIZ: lambda asked: number(self._database.value_size(asked.strings[0])),
            p.ITERINIT: lambda asked: done(self._database.begin_iteration()),
            p.ITERNEXT: lambda asked: given(self._database.next_key()),
            p.FWMKEYS: self._fwmkeys,
            p.ADDINT: self._add_int,
            p.ADDDOUBLE: self._add_double,
            p.SYNC: lambda asked: done(self._database.sync()),
            p.OPTIMIZE: self._optimize,
            p.VANISH: lambda asked: done(self._vanish()),
            p.SETMST: lambda asked: done(not asked.strings[0]),
            p.RNUM: lambda asked: number(self._database.count()),
            p.SIZE: lambda asked: number(self._database.size()),
            p.STAT: self._stat,
            p.MISC: self._misc,
        }
        self._functions: dict[bytes, Callable[[bytes, Strings], Answer]] = {
            **dict.fromkeys((b"put", b"putkeep", b"putcat"), self._misc_put),
            b"putlist": self._put_list,
            b"putkeeplist": self._put_keep_list,
            b"patch": self._patch,
            b"notes": self._tell_notes,
            b"setindex": self._set_index,
            b"optimize": self._misc_optimize,
            b"regex": self._regex,
            b"search": self._search,
            b"metasearch": self._search,
            **dict.fromkeys((b"out", b"get", b"outlist", b"getlist"), self._call),
            **dict.fromkeys((b"getpart", b"iternext"), self._call),
            b"iterinit": self._begin_iteration,
            b"vanish": lambda name, strings: listed([] if self._vanish() else None),
            **dict.fromkeys((b"sync", b"error", b"defrag"), self._call),
            **dict.fromkeys((b"cacheclear", b"genuid"), self._call),
        }

    def writes(self, request: Request) -> bool:
        """Say whether a request may change something."""
        name = _name(request)
        if name not in READING:
            return True
        return name.endswith("search") and any(
            one.split(b"\0", 1)[0].lower() in {b"out", b"remove"}
            for one in request.strings[1:]
        )

    def is_long(self, request: Request) -> bool:
        """Say whether a request may take so long that others should not wait."""
        name, strings = _name(request), request.strings
        if name == "notes":
            return not self._notes.is_complete
        if len(strings) > SMALL or name in LONG:
            return self._database.count() > SMALL or len(strings) > SMALL
        return sum(map(len, strings)) > p.LARGEST_REQUEST >> 8

    def answer(self, request: Request) -> Answer:
        """Do what is asked; what is not known, or would do harm, fails."""
        self._counts[request.command.name] += 1
        does = self._commands.get(request.command)
        if does is None or (self.file.readonly and self._changes(request)):
            return FAILURE
        return does(request)

    def _changes(self, request: Request) -> bool:
        # Nothing else may be written while it looks at what is there.
        return self.writes(request) and _name(request) != "notes"

    # Commands.

    def _put(self, asked: Request) -> Answer:
        key, value = asked.strings
        if not key or has_empty_joined(value, self.file.ordered):
            return FAILURE
        self._saw_joined(key, value, asked.command is p.PUTCAT)
        put = {p.PUTKEEP: self._database.put_keep, p.PUTCAT: self._database.put_cat}
        return done(put.get(asked.command, self._database.put)(key, value))

    def _put_shl(self, asked: Request) -> Answer:
        key, value = asked.strings
        whole = (self._database.get(key) or b"") + value
        width = max(asked.numbers[0], 0)
        kept = whole[-width:] if 0 < width < len(whole) else whole[: len(whole) * width]
        return self._put(Request(p.PUT, (key, kept)))

    def _mget(self, asked: Request) -> Answer:
        found = ((key, self._database.get(key)) for key in asked.strings)
        pairs = ((key, value) for key, value in found if value is not None)
        return Answer(strings=list(chain.from_iterable(pairs)))

    def _fwmkeys(self, asked: Request) -> Answer:
        prefix, most = asked.strings[0], asked.numbers[0]
        return Answer(strings=self._database.keys_with(prefix, most))

    def _add_int(self, asked: Request) -> Answer:
        key = asked.strings[0]
        self._notes.saw_foreign(key)
        return number(self._database.add_int(key, asked.numbers[0]) if key else None)

    def _add_double(self, asked: Request) -> Answer:
        key, (whole, fraction) = asked.strings[0], asked.numbers
        if not key or whole == EXTENT:
            return FAILURE
        self._notes.saw_foreign(key)
        total = self._database.add_double(key, whole + fraction / FRACTION)
        if total is None or not abs(total) < -EXTENT:
            return FAILURE
        rest, integer = math.modf(total)
        return Answer(numbers=(int(integer), int(rest * FRACTION)))

    def _vanish(self) -> bool:
        self._notes.forget()
        return self._database.vanish()

    def _optimize(self, asked: Request) -> Answer:
        return self._optimized(asked.strings[0])

    def _optimized(self, tuning: bytes) -> Answer:
        if not is_tuning(tuning, self._database.count()):
            return FAILURE
        return done(self._database.optimize(tuning or None))

    def _stat(self, asked: Request) -> Answer:
        lines = {
            "version": p.VERSION,
            "server": "pymodels",
            "functions": "patch putkeeplist notes",
            "os": os.uname().sysname,
            "time": f"{time.time():.6f}",
            "pid": os.getpid(),
            "type": self.file.type,
            "path": self.file.path,
            "rnum": self._database.count(),
            "size": self._database.size(),
            "readonly": int(self.file.readonly),
            "indexes": " ".join(self.file.index_names),
            "ru_real": f"{time.monotonic() - self._began:.6f}",
            **{f"cnt_{name}": count for name, count in self._counts.items()},
        }
        text = "".join(f"{name}\t{value}\n" for name, value in lines.items())
        return Answer(strings=[text.encode("utf-8", "surrogateescape")])

    # Functions of misc.

    def _misc(self, asked: Request) -> Answer:
        name, *strings = asked.strings
        function = self._functions.get(name)
        return FAILURE if function is None else function(name, strings)

    def _call(self, name: bytes, strings: Strings) -> Answer:
        return listed(self._database.misc(name, strings))

    def _saw_joined(self, key: bytes, value: bytes, appends: bool) -> None:
        if appends:
            self._notes.saw_foreign(key)
        elif self._notes.is_kept:
            self._notes.saw(key, value.split(b"\0"))

    def _begin_iteration(self, name: bytes, strings: Strings) -> Answer:
        return FAILURE if strings[:1] == [b""] else self._call(name, strings)

    def _misc_put(self, name: bytes, strings: Strings) -> Answer:
        if not strings or not strings[0]:
            return FAILURE
        if self.file.is_table and has_empty(strings[1:], self.file.ordered):
            return FAILURE
        if name == b"putcat":
            self._notes.saw_foreign(*strings)
        else:
            self._notes.saw(strings[0], strings[1:])
        return self._call(name, strings)

    def _put_list(self, name: bytes, strings: Strings) -> Answer:
        keys, values = strings[::2], strings[1::2]
        if not all(keys) or any(has_empty_joined(v, self.file.ordered) for v in values):
            return FAILURE
        if self._notes.is_kept:
            for key, value in zip(keys, values, strict=False):
                self._notes.saw(key, value.split(b"\0"))
        if name == b"putlist":
            return self._call(name, strings)
        return listed(
            self._database.as_one(lambda: self._database.misc(b"putlist", strings))
        )

    def _put_keep_list(self, name: bytes, strings: Strings) -> Answer:
        """Write all records, or none and give the keys that are taken."""
        keys = strings[::2]
        if len(strings) % 2:
            return FAILURE
        size = self._database.value_size
        taken = [key for key in keys if size(key) is not None]
        seen = set(keys)
        if taken or len(seen) < len(keys):
            return Answer(strings=taken or [k for k in seen if keys.count(k) > 1])
        return self._put_list(name, strings)

    def _patch(self, name: bytes, strings: Strings) -> Answer:
        """Compare, set and remove columns of one record in one step."""
        if len(strings) % 3 != 1 or not strings[0]:
            return FAILURE
        key, steps = strings[0], list(zip(*(iter(strings[1:]),) * 3, strict=True))
        if not self.file.is_table:
            outcome, value = patch_value(self._database.get(key), steps)
            if value is None:
                return FAILURE if outcome is None else Answer(strings=[outcome])
            written = self._database.put(key, value)
            return Answer(strings=[outcome or b""]) if written else FAILURE
        found = self._database.misc(b"get", [key])
        if found is None:
            return Answer(strings=[MISSING])
        columns = dict(zip(found[::2], found[1::2], strict=True))
        outcome, changed = patch_columns(columns, steps)
        if changed is None:
            return FAILURE if outcome is None else Answer(strings=[outcome])
        put = self._misc_put(b"put", [key, *chain.from_iterable(changed.items())])
        return Answer(strings=[outcome or b""]) if put.is_good else FAILURE

    def _tell_notes(self, name: bytes, strings: Strings) -> Answer:
        """Tell which notes of kinds the rows have, or had since it was first asked.

        A single NUL says that some rows are not what their notes say.
        """
        notes = self._notes
        if not self.file.is_table:
            return FAILURE
        if not notes.is_kept:
            keys = self._database.misc(b"search", []) or ()
            rows = ((key, self._database.misc(b"get", [key])) for key in keys)
            notes.begin((key, *row) for key, row in rows if row is not None)
        if not notes.is_complete:
            notes.look()
            if notes.is_sound and not self.file.readonly:
                # A value that is gone by now may have put one out of order.
                self.file.rebuild(IndexType.DECIMAL)
        return Answer(strings=notes.told())

    def _set_index(self, name: bytes, strings: Strings) -> Answer:
        if not self.file.is_table or len(strings) < 2:
            return self._call(name, strings)
        # It takes many names and types by turns; a NUL ends a name, to the library.
        columns = [one.partition(b"\0")[0] for one in strings[::2]]
        if any(map(self._is_deadly_index, columns, strings[1::2])):
            return FAILURE
        answer = self._call(name, strings)
        self.file.look_for_indexes()
        if not answer.is_good:
            kinds = map(self._index_kind, strings[1::2])
            for column, kind in zip(columns, kinds, strict=False):
                if kind in ORDERED.values():
                    self.file.suspect(column)
        return answer

    def _is_deadly_index(self, column: bytes, text: bytes) -> bool:
        if is_too_long(self.file.path, column):
            return True
        orders = self._index_kind(text) in ORDERED.values()
        return orders and bool(column) and self.file.has_empty_values(column)

    def _index_kind(self, text: bytes) -> int:
        return self._database.index_type(text) & OPERATOR_MASK

    def _misc_optimize(self, name: bytes, strings: Strings) -> Answer:
        return self._optimized(strings[0] if strings else b"")

    def _regex(self, name: bytes, strings: Strings) -> Answer:
        if strings and is_too_greedy(strings[0]):
            return FAILURE
        return self._call(name, strings)

    def _search(self, name: bytes, strings: Strings) -> Answer:
        for string in strings:
            parts = string.split(b"\0")
            if len(parts) < 4 or not parts[0].lower().endswith(b"cond"):
                continue
            operator = self._database.operator(parts[2])
            if operator & OPERATOR_MASK == REGEX and is_too_greedy(parts[3]):
                return FAILURE
        return self._call(name, strings)


def _name(request: Request) -> str:
    if request.command is p.MISC:
        return request.strings[0].decode("ascii", "replace")
    return request.command.name


def done(is_good: bool) -> Answer:
    """Give an answer that is nothing but its code."""
    return Answer() if is_good else FAILURE


def given(string: bytes | None) -> Answer:
    """Give an answer of one string."""
    return FAILURE if string is None else Answer(strings=(string,))


def number(found: int | None) -> Answer:
    """Give an answer of one number."""
    return FAILURE if found is None else Answer(numbers=(found,))


def listed(strings: list[bytes] | None) -> Answer:
    """Give an answer of any strings."""
    return FAILURE if strings is None else Answer(strings=strings)
