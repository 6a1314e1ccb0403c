"""What each command of the protocol does to a file: requests in, answers out.

No sockets here. The caller lets one write run at a time, so that what reads,
compares and writes, as `patch` does, is one step.
"""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

from pymodels.tokyo import protocol as p
from pymodels.tokyo.guards import (
    SORTED,
    bounded,
    empty_column,
    is_too_greedy,
    is_tuning,
    limited,
)
from pymodels.tokyo.protocol import (
    CHANGED,
    DONE,
    FAILURE,
    MISSING,
    REFUSED,
    Answer,
    Request,
)
from pymodels.tokyo.search import IndexType
from pymodels.tokyo.serve.facts import Facts, Watch
from pymodels.tokyo.serve.file import ServedFile
from pymodels.tokyo.serve.patching import Columns, patch_columns, swaps_in

Strings = Sequence[bytes]

READING = {"get", "mget", "vsiz", "iterinit", "iternext", "fwmkeys"}
READING |= {"rnum", "size", "stat", "setmst", "getlist", "getpart", "error"}
READING |= {"regex", "search", "metasearch"}
LONG = {"fwmkeys", "sync", "optimize", "vanish", "defrag", "cacheclear"}
LONG |= {"regex", "search", "metasearch", "setindex"}
FRACTION = 10**12
"""Parts of one that the fraction of ``adddouble`` is counted in."""
SMALL = 100
"""So many records or strings take no time that others would notice."""
EXTENT = -(2**63)
"""What stands for the integer part of a number that is not finite."""
REGEX = 7
UNCHANGED = [b"out", b"get", b"outlist", b"getlist", b"getpart", b"iternext"]
UNCHANGED += [b"sync", b"error", b"defrag", b"cacheclear", b"genuid"]
"""The functions that are called as they are."""
NUMBERS_FROM = {b"defrag": 0, b"getpart": 1, b"regex": 1}
"""Which strings of a function are numbers: those from this one on."""
TYPE_MASK = (1 << 24) - 1


class Commands:
    """One file, asked by requests."""

    def __init__(self, file: ServedFile, watch: Watch | None = None) -> None:
        """Answer for a file; with ``watch`` the function ``notes`` is there too."""
        self.file = file
        self._database = file.database
        self._began = time.monotonic()
        self._watch = watch
        self._facts: Facts | None = None
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
            p.FWMKEYS: lambda asked: listed(
                self._database.keys_with(asked.strings[0], asked.numbers[0])
            ),
            p.ADDINT: self._add_int,
            p.ADDDOUBLE: self._add_double,
            p.SYNC: lambda asked: done(self._database.sync()),
            p.OPTIMIZE: lambda asked: self._optimized(asked.strings[0]),
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
            b"swap": self._swap,
            **({b"notes": self._tell_notes} if watch is not None else {}),
            b"setindex": self._set_index,
            b"optimize": lambda name, strings: self._optimized(*strings[:1]),
            b"regex": self._regex,
            b"search": self._search,
            b"metasearch": self._search,
            **dict.fromkeys(UNCHANGED, self._call),
            b"iterinit": lambda name, strings: (
                FAILURE if strings[:1] == [b""] else self._call(name, strings)
            ),
            b"vanish": lambda name, strings: listed([] if self._vanish() else None),
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
            return self._facts is None or not self._facts.is_complete
        if len(strings) > SMALL or name in LONG:
            return self._database.count() > SMALL or len(strings) > SMALL
        return sum(map(len, strings)) > p.LARGEST_REQUEST >> 8

    def answer(self, request: Request) -> Answer:
        """Do what is asked; what is not known, or would do harm, fails."""
        self._counts[request.command.name] += 1
        does = self._commands.get(request.command)
        # The notes count as a write: nothing may be written while rows are looked at.
        is_read = _name(request) == "notes" or not self.writes(request)
        return (
            does(request) if does and (is_read or not self.file.readonly) else FAILURE
        )

    # Commands.

    def _put(self, asked: Request) -> Answer:
        key, value = asked.strings
        if not key or self._has_empty_joined(value):
            return FAILURE
        self._saw_joined(key, value, is_whole=asked.command is not p.PUTCAT)
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

    def _add_int(self, asked: Request) -> Answer:
        key = asked.strings[0]
        self._saw(key, (), is_whole=False)
        return number(self._database.add_int(key, asked.numbers[0]) if key else None)

    def _add_double(self, asked: Request) -> Answer:
        key, (whole, fraction) = asked.strings[0], asked.numbers
        if not key or whole == EXTENT:
            return FAILURE
        self._saw(key, (), is_whole=False)
        total = self._database.add_double(key, whole + fraction / FRACTION)
        if total is None or not abs(total) < -EXTENT:
            return FAILURE
        rest, integer = math.modf(total)
        return Answer(numbers=(int(integer), int(rest * FRACTION)))

    def _vanish(self) -> bool:
        self._facts = None
        return self._database.vanish()

    def _optimized(self, tuning: bytes = b"") -> Answer:
        if not is_tuning(tuning, self._database.count()):
            return FAILURE
        return done(self._database.optimize(tuning or None))

    def _stat(self, asked: Request) -> Answer:
        lines = {
            "version": p.VERSION,
            "server": "pymodels",
            "functions": "patch putkeeplist swap" + (" notes" if self._watch else ""),
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
        first = NUMBERS_FROM.get(name)
        if first is not None:
            numbers = (b"%d" % bounded(text) for text in strings[first:])
            strings = [*strings[:first], *numbers]
        return listed(self._database.misc(name, strings))

    def _saw(self, key: bytes, parts: Strings, *, is_whole: bool = True) -> None:
        if self._facts is not None:
            self._facts.saw(key, parts, is_whole=is_whole)

    def _saw_joined(self, key: bytes, value: bytes, *, is_whole: bool = True) -> None:
        if self._facts is not None:
            self._facts.saw(key, value.split(b"\0"), is_whole=is_whole)

    def _has_empty(self, columns: Strings) -> bool:
        """Say whether names and values, by turns, have an empty one where none may be.

        One under a name with a NUL is never good, whatever is indexed later.
        """
        if b"" not in columns:
            return False
        pairs = list(zip(columns[::2], columns[1::2], strict=False))
        has_odd = any(not value and b"\0" in name for name, value in pairs)
        return has_odd or empty_column(pairs, self.file.ordered) is not None

    def _has_empty_joined(self, value: bytes) -> bool:
        if not self.file.ordered or not (b"\0\0" in value or value.endswith(b"\0")):
            return False
        return self._has_empty(value.split(b"\0"))

    def _misc_put(self, name: bytes, strings: Strings) -> Answer:
        if not strings or not strings[0]:
            return FAILURE
        if self.file.is_table and self._has_empty(strings[1:]):
            return FAILURE
        self._saw(strings[0], strings[1:], is_whole=name != b"putcat")
        return self._call(name, strings)

    def _put_list(self, name: bytes, strings: Strings) -> Answer:
        keys, values = strings[::2], strings[1::2]
        if not all(keys) or any(map(self._has_empty_joined, values)):
            return FAILURE
        for key, value in zip(keys, values, strict=False):
            self._saw_joined(key, value)
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
        repeated = [key for key, times in Counter(keys).items() if times > 1]
        if taken or repeated:
            return Answer(strings=taken or repeated)
        return self._put_list(name, strings)

    def _patch(self, name: bytes, strings: Strings) -> Answer:
        """Compare, set and remove columns of one record in one step."""
        if len(strings) % 3 != 1 or not strings[0]:
            return FAILURE
        key, steps = strings[0], list(zip(*(iter(strings[1:]),) * 3, strict=True))
        columns = self.file.columns(key)
        if columns is None:
            return Answer(strings=[MISSING])
        outcome = patch_columns(columns, steps)
        if outcome is None:
            return FAILURE
        is_good = outcome != DONE or self._put_or_out(key, columns)
        return Answer(strings=[outcome]) if is_good else FAILURE

    def _swap(self, name: bytes, strings: Strings) -> Answer:
        """Write or remove records that are still as they were; each is one step."""
        swaps = swaps_in(strings, is_packed=self.file.is_table)
        if swaps is None:
            return FAILURE
        outcomes = []
        for key, before, after in swaps:
            columns = self.file.columns(key)
            if columns is None:
                outcomes.append(MISSING)
            elif columns != before:
                outcomes.append(CHANGED)
            elif not self._put_or_out(key, after):
                # What follows was not looked at.
                return Answer(strings=[*outcomes, REFUSED])
            else:
                outcomes.append(DONE)
        return Answer(strings=outcomes)

    def _put_or_out(self, key: bytes, columns: Columns | None) -> bool:
        if columns is None:
            return self._database.out(key)
        if self.file.is_table:
            strings = [key, *chain.from_iterable(columns.items())]
            return self._misc_put(b"put", strings).is_good
        return [*columns] == [b""] and self._database.put(key, columns[b""])

    def _tell_notes(self, name: bytes, strings: Strings) -> Answer:
        """Tell which notes of kinds the rows have, or had since it was first asked.

        A single NUL says that some rows are not what their notes say.
        """
        if self._watch is None or not self.file.is_table:
            return FAILURE
        if self._facts is None:
            self._facts = self._watch(self.file.rows())
        facts = self._facts
        if not facts.is_complete:
            facts.look()
            if facts.is_sound and not self.file.readonly:
                # A value that is gone by now may have put one out of order.
                self.file.rebuild(IndexType.DECIMAL)
        return Answer(strings=facts.told())

    def _set_index(self, name: bytes, strings: Strings) -> Answer:
        if not self.file.is_table or len(strings) < 2:
            return self._call(name, strings)
        # It takes many names and types by turns; a NUL ends a name, to the library.
        columns = [one.partition(b"\0")[0] for one in strings[::2]]
        kinds = [self._database.index_type(text) & TYPE_MASK for text in strings[1::2]]
        if not all(map(self.file.can_index, columns, kinds)):
            return FAILURE
        answer = self._call(name, strings)
        self.file.look_for_indexes()
        if not answer.is_good:
            for column, kind in zip(columns, kinds, strict=False):
                if kind in SORTED:
                    self.file.suspect(column)
        return answer

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
            if operator & TYPE_MASK == REGEX and is_too_greedy(parts[3]):
                return FAILURE
        return self._call(name, list(map(limited, strings)))


def _name(request: Request) -> str:
    if request.command is p.MISC:
        return request.strings[0].decode("ascii", "replace")
    return request.command.name


def done(is_good: bool) -> Answer:
    """Give an answer that is nothing but its code."""
    return Answer() if is_good else FAILURE


def given(string: bytes | None) -> Answer:
    """Give an answer of one string."""
    return listed(None if string is None else [string])


def number(found: int | None) -> Answer:
    """Give an answer of one number."""
    return FAILURE if found is None else Answer(numbers=(found,))


def listed(strings: Strings | None) -> Answer:
    """Give an answer of any strings."""
    return FAILURE if strings is None else Answer(strings=strings)
