"""Clients of servers, one for all storages of a process that connect alike.

The driver's client has its own pool and is made for threads. A forked child makes
a new one.
"""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from pymongo import MongoClient
from pymongo import errors as driver_errors
from pymongo.uri_parser import parse_uri

from pymodels.backend import errors
from pymodels.backends.mongodb.errors import brief, translated

ALONE, SEVERAL = 5.0, 20.0
"""Seconds to look for a server: an election of a replica set takes eleven."""
LONGEST_DATABASE, LONGEST_NAMESPACE = 63, 255
_DATABASE = re.compile(r'[^\0\ud800-\udfff .$/\\"]+')
_PART = r"[^\0\ud800-\udfff.$]+"
_COLLECTION = re.compile(rf"{_PART}(\.{_PART})*")
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


Sharing = tuple[int, str, float | None]
"""Who may share a client: one process, with one URL and one time-out."""


@dataclass(eq=False)
class Server:
    """A client that is shared, and what its server can do."""

    shared_by: Sharing
    client: MongoClient[Any]
    has_transactions: bool
    users: int = 0


_servers: dict[Sharing, Server] = {}
_lock = threading.Lock()


def uri_of(uri: str | None, host: str | None, port: int | None) -> str:
    """Give the connection string of what the settings name: all, or one server."""
    if uri is not None:
        if host is not None or port is not None:
            raise errors.SettingsError(
                "the URL names the servers; leave host and port away"
            )
        return uri
    host = "localhost" if host is None else host
    port = 27017 if port is None else port
    if not isinstance(host, str) or not host:
        raise errors.SettingsError(f"host is {host!r}; it takes a name or an address")
    if _NOT_IN_HOSTS & {*host} and not host.startswith("/"):
        raise errors.SettingsError(
            f"host is {host!r}; it takes one name or address, and uri a whole URL"
        )
    if host.count(":") == 1:
        raise errors.SettingsError(f"host is {host!r}; port is a setting of its own")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise errors.SettingsError(
            f"port is {port!r}; it takes a number from 1 to 65535"
        )
    if host.startswith("/"):
        return f"mongodb://{quote_plus(host)}"
    return f"mongodb://[{host}]:{port}" if ":" in host else f"mongodb://{host}:{port}"


def check_names(database: object, collection: object) -> None:
    """Refuse what the server would not take as the names of a collection."""
    if not _is_name(database, _DATABASE, LONGEST_DATABASE):
        raise errors.SettingsError(
            f"database is {database!r}; it takes a name of up to {LONGEST_DATABASE} "
            'bytes without spaces and . $ / \\ "'
        )
    longest = LONGEST_NAMESPACE - len(str(database).encode()) - 1
    if not _is_name(collection, _COLLECTION, longest):
        raise errors.SettingsError(
            f"collection is {collection!r}; it takes a name of up to {longest} bytes "
            "without $, and without . at an end or beside another"
        )


def _is_name(name: object, pattern: re.Pattern[str], longest: int) -> bool:
    if not isinstance(name, str) or not pattern.fullmatch(name):
        return False
    return len(name.encode()) <= longest


def check_timeout(timeout: object) -> None:
    """Refuse what is not a number of seconds."""
    if timeout is None:
        return
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < inf:  # type: ignore[operator]  # a number
        raise errors.SettingsError(
            f"timeout is {timeout!r}; it takes a number of seconds above 0"
        )


def parse(uri: object) -> dict[str, Any]:
    """Read a connection string; `SettingsError` for what the driver would not take."""
    if not isinstance(uri, str):
        raise errors.SettingsError(f"uri is {uri!r}; it takes a mongodb:// URL")
    try:
        parsed: dict[str, Any] = parse_uri(uri, validate=True, warn=False)
    except (driver_errors.ConfigurationError, ValueError) as error:
        reason = brief(error)
        if reason.startswith("Unknown option"):
            reason = _unknown(reason)
        raise errors.SettingsError(f"{shown(uri)}: {reason}") from error
    if parsed["options"].get("w") == 0:
        raise errors.SettingsError(
            f"{shown(uri)}: with w=0 the server acknowledges nothing, so that nobody "
            "could say whether a record was there or was written; take w=1 or more"
        )
    return parsed


def _unknown(reason: str) -> str:
    """Say that an option is unknown; the driver guesses among its own only."""
    name = reason.removeprefix("Unknown option: ").partition(".")[0]
    if close := get_close_matches(name, OURS, n=1):
        return f"{name!r} is not an option (did you mean {close[0]!r}?)"
    return f"{reason} (of the driver's; those of ours are {', '.join(OURS)})"


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
        shared_by = (os.getpid(), uri, timeout)
        server = _servers.get(shared_by)
        if server is None:
            server = _servers[shared_by] = Server(shared_by, *_connect(uri, timeout))
        server.users += 1
    return server


def _connect(uri: str, timeout: float | None) -> tuple[MongoClient[Any], bool]:
    parsed = parse(uri)
    given = {name.lower() for name in parsed["options"]}
    options = {n: v for n, v in DEFAULTS.items() if n.lower() not in given}
    if timeout is None and "serverselectiontimeoutms" not in given:
        is_set = "replicaset" in given or len(parsed["nodelist"]) > 1 or "+srv" in uri
        timeout = SEVERAL if is_set else ALONE
    if timeout is not None:
        options["serverSelectionTimeoutMS"] = round(timeout * 1000)
    with translated(shown(uri)):
        try:
            client: MongoClient[Any] = MongoClient(uri, **options)
        except (driver_errors.ConfigurationError, ValueError, TypeError) as error:
            raise errors.SettingsError(f"{shown(uri)}: {brief(error)}") from error
        try:
            hello = client.admin.command("hello")
        except BaseException:
            client.close()
            raise
    return client, "setName" in hello or hello.get("msg") == "isdbgrid"


def release(server: Server) -> None:
    """Let go of a shared client; the last one closes it."""
    if server.shared_by[0] != os.getpid():
        return  # the parent's: closing it here would write to its connections
    with _lock:
        server.users -= 1
        if server.users:
            return
        del _servers[server.shared_by]
    server.client.close()
