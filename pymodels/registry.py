"""get_storage: from settings to an open storage, whatever the backend."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pymodels.errors import SettingsError
from pymodels.settings import check_names, gather, scheme_of, without_password
from pymodels.storage import BaseStorage

GROUP = "pymodels.backends"
_MONGODB = ("pymongo", "; pip install pymongo brings it")
_EXTRAS = {"bson": _MONGODB, "gridfs": _MONGODB, "pymongo": _MONGODB}
"""Packages of drivers: the distribution that has them, and how to get it."""


def get_storage(
    settings: str | Mapping[str, Any] | None = None, /, **overrides: Any
) -> BaseStorage:
    """Open the storage that settings describe.

    ``settings`` is a mapping with "backend" (a dotted module path, or a name
    registered as an entry point in the group ``pymodels.backends``) and the
    backend's own settings, or a URL such as ``sqlite:///app.db``; keywords win
    over it. With no argument, the URL in the environment variable
    PYMODELS_DATABASE. Raises `SettingsError` for a wrong or missing setting and
    `StorageError` if the database cannot be opened.

    >>> get_storage("memory://")
    <memory://>
    >>> get_storage({"backend": "pymodels.backends.memory"}, name="cache")
    <memory://cache>
    """
    named = gather(settings, overrides)
    url = named.pop("url", None)
    backend = named.pop("backend", None)
    if backend is None:
        if url is None:
            raise SettingsError(
                'settings need "backend" or "url"; backends are '
                + ", ".join(sorted(_registered()))
            )
        backend = scheme_of(url)
        if backend not in _registered():
            raise SettingsError(f"{without_password(url)}: {_no_backend(backend)}")
    opening = _storage_class(backend)
    if url is not None:
        named = {**opening.url_settings(url), **named}
    check_names(str(backend), opening, named)
    return opening(**named)


def _registered() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)}


def _no_backend(backend: str) -> str:
    known = sorted(_registered())
    close = get_close_matches(backend, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return (
        f"there is no backend {backend!r}{hint}; it is a dotted module path, or one "
        f"of {', '.join(known)}"
    )


def _storage_class(backend: object) -> type[BaseStorage]:
    if not isinstance(backend, str) or not backend:
        raise SettingsError(f"backend is {backend!r}; it takes a name or module path")
    registered = _registered()
    path = registered.get(backend, backend)
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name and not (path == error.name or path.startswith(error.name + ".")):
            package = error.name.partition(".")[0]
            package, hint = _EXTRAS.get(package, (package, ""))
            raise SettingsError(
                f"the backend {backend!r} needs the package {package!r}, which is not "
                f"installed{hint}"
            ) from error
        raise SettingsError(_no_backend(backend)) from error
    found = getattr(module, "Storage", None)
    if not (isinstance(found, type) and issubclass(found, BaseStorage)):
        raise SettingsError(f"the module {path} has no class Storage of PyModels")
    return found
