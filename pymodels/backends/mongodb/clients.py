"""Clients of servers, one for all storages of a process that connect alike.

The driver's client has its own pool and is made for threads. A forked child makes
a new one.
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import inf
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from pymongo import MongoClient, errors
from pymongo.uri_parser import parse_uri

from pymodels.backends.mongodb.errors import brief, translated
from pymodels.errors import SettingsError

ALONE, SEVERAL = 5.0, 20.0
"""Seconds to look for a server: an election of a replica set takes eleven."""
LONGEST_DATABASE, LONGEST_NAMESPACE = 63, 255
_NOT_IN_DATABASES = frozenset(' .$/\\"')
_NOT_IN_HOSTS = frozenset("/,@?#[] ")
OURS = ("database", "collection", "timeout", "residual")
"""The settings that a URL's query may name; all others are the driver's."""
DEFAULTS: Mapping[str, Any] = {
    "w": "majority",
    # A hung member is found by this time-out of the driver's monitor.
    "connectTimeoutMS": 2000,
    "heartbeatFrequencyMS": 5000,
    "appName": "pymodels",
}


@dataclass(eq=False)
class Server:
    """A client that is shared, and what its server can do."""

    uri: str
    client: MongoClient[dict[str, Any]]
    has_transactions: bool
    hello: dict[str, Any]
    """What the server said of itself."""
    process: int = field(default_factory=os.getpid)
    users: int = 0


_servers: dict[tuple[int, str, float | None], Server] = {}
_lock = threading.Lock()


def uri_of(host: str, port: int) -> str:
    """Give the connection string of one server."""
    if not isinstance(host, str) or not host:
        raise SettingsError(f"host is {host!r}; it takes a name or an address")
    if _NOT_IN_HOSTS & {*host} and not host.startswith("/"):
        raise SettingsError(
            f"host is {host!r}; it takes one name or address, and uri a whole URL"
        )
    if host.count(":") == 1:
        raise SettingsError(f"host is {host!r}; port is a setting of its own")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise SettingsError(f"port is {port!r}; it takes a number from 1 to 65535")
    if host.startswith("/"):
        return f"mongodb://{quote_plus(host)}"
    return f"mongodb://[{host}]:{port}" if ":" in host else f"mongodb://{host}:{port}"


def check_names(database: object, collection: object) -> None:
    """Refuse what the server would not take as the names of a place."""
    if not _is_name(database, LONGEST_DATABASE) or _NOT_IN_DATABASES & {*str(database)}:
        raise SettingsError(
            f"database is {database!r}; it takes a name of up to {LONGEST_DATABASE} "
            'bytes without spaces and . $ / \\ "'
        )
    longest = LONGEST_NAMESPACE - len(str(database).encode()) - 1
    name = str(collection)
    if not _is_name(collection, longest) or "$" in name or "" in name.split("."):
        raise SettingsError(
            f"collection is {collection!r}; it takes a name of up to {longest} bytes "
            "without $, and without . at an end or beside another"
        )


def _is_name(name: object, longest: int) -> bool:
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    try:
        return len(name.encode()) <= longest
    except UnicodeEncodeError:
        return False


def check_timeout(timeout: object) -> None:
    """Refuse what is no number of seconds."""
    if timeout is None:
        return
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < inf:  # type: ignore[operator]  # a number
        raise SettingsError(
            f"timeout is {timeout!r}; it takes a number of seconds above 0"
        )


def parse(uri: object) -> dict[str, Any]:
    """Read a connection string; `SettingsError` for what the driver would not take."""
    if not isinstance(uri, str):
        raise SettingsError(f"uri is {uri!r}; it takes a mongodb:// URL")
    try:
        found: dict[str, Any] = parse_uri(uri, validate=True, warn=False)
    except (errors.InvalidURI, errors.ConfigurationError, ValueError) as error:
        told = brief(error)
        if told.startswith("Unknown option"):
            told = _unknown(told)
        raise SettingsError(f"{shown(uri)}: {told}") from error
    if found["options"].get("w") == 0:
        raise SettingsError(
            f"{shown(uri)}: with w=0 the server acknowledges nothing, so that nobody "
            "could say whether a record was there or was written; take w=1 or more"
        )
    return found


def _unknown(told: str) -> str:
    """Tell of an option that nobody knows; the driver guesses among its own only."""
    name = told.removeprefix("Unknown option: ").partition(".")[0]
    if close := get_close_matches(name, OURS, n=1):
        return f"there is no option {name!r} (did you mean {close[0]!r}?)"
    return f"{told} (of the driver's; those of ours are {', '.join(OURS)})"


def shown(uri: str) -> str:
    """Give a connection string without its password, for messages."""
    before, at, after = uri.rpartition("@")
    scheme, _, user = before.partition("://")
    name = user.partition(":")[0]
    return f"{scheme}://{name}@{after}" if at else uri


def drivers_part(url: str) -> str:
    """Give a URL without the settings that are ours."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    theirs = urlencode([pair for pair in pairs if pair[0] not in OURS])
    rest = url.partition("?")[0]
    if theirs and rest.count("/") < 3:
        # The driver wants a slash between hosts and options.
        rest += "/"
    return f"{rest}?{theirs}" if theirs else rest


def connected(uri: str, timeout: float | None) -> Server:
    """Give the shared client of a server, connecting if nobody has yet.

    Raises `StorageError` if no server is reached in ``timeout`` seconds.
    """
    with _lock:
        place = (os.getpid(), uri, timeout)
        found = _servers.get(place)
        if found is None:
            found = _servers[place] = _connect(uri, timeout)
        found.users += 1
    return found


def _connect(uri: str, timeout: float | None) -> Server:
    parsed = parse(uri)
    given = {name.lower() for name in parsed["options"]}
    options = {n: v for n, v in DEFAULTS.items() if n.lower() not in given}
    is_set = "replicaset" in given or len(parsed["nodelist"]) > 1 or "+srv" in uri
    if timeout is not None:
        options["serverSelectionTimeoutMS"] = round(timeout * 1000)
    elif "serverselectiontimeoutms" not in given:
        options["serverSelectionTimeoutMS"] = round(
            1000 * (SEVERAL if is_set else ALONE)
        )
    with translated(shown(uri)):
        try:
            client: MongoClient[dict[str, Any]] = MongoClient(uri, **options)
        except (errors.ConfigurationError, ValueError, TypeError) as error:
            raise SettingsError(f"{shown(uri)}: {brief(error)}") from error
        try:
            hello = client.admin.command("hello")
        except BaseException:
            client.close()
            raise
    has_transactions = "setName" in hello or hello.get("msg") == "isdbgrid"
    return Server(uri, client, has_transactions, hello)


def release(server: Server) -> None:
    """Let go of a shared client; the last one closes it."""
    if server.process != os.getpid():
        return  # the parent's: closing it here would write to its connections
    with _lock:
        server.users -= 1
        if server.users:
            return
        for place, known in list(_servers.items()):
            if known is server:
                del _servers[place]
    server.client.close()
