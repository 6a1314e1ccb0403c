"""Settings: a dict, keywords, a URL or the environment, as named arguments."""

import inspect
import os
import types
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlsplit

from pymodels.errors import SettingsError

ENVIRONMENT = "PYMODELS_DATABASE"


def gather(
    settings: str | Mapping[str, Any] | None, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Put settings together: a URL stands under "url", named ones win over it.

    Without any, the environment variable PYMODELS_DATABASE is the URL.
    """
    if settings is None and not overrides:
        settings = os.environ.get(ENVIRONMENT)
        if not settings:
            raise SettingsError(
                "no settings were given, and the environment variable "
                f"{ENVIRONMENT} holds no URL; try get_storage('sqlite:///app.db')"
            )
    if isinstance(settings, str):
        settings = {"url": settings}
    if settings is not None and not isinstance(settings, Mapping):
        raise SettingsError(
            f"settings are a mapping or a URL, not {type(settings).__name__}"
        )
    gathered = {**(settings or {}), **overrides}
    if not all(isinstance(name, str) for name in gathered):
        raise SettingsError(f"settings are named by strings: {list(gathered)}")
    return gathered


def scheme_of(url: object) -> str:
    """Give the backend's name in a URL: `tokyo-tyrant://` is tokyo_tyrant."""
    if not isinstance(url, str) or "://" not in url:
        told = without_password(url) if isinstance(url, str) else url
        raise SettingsError(
            f"{told!r} is not a URL; one looks like sqlite:///app.db or memory://"
        )
    told = without_password(url)
    if "#" in url:
        # What follows would be a fragment, which nobody looks at.
        raise SettingsError(f"{told!r} holds a '#', which in a URL is written as %23")
    scheme = url.partition("://")[0]
    if "_" in scheme:
        right = scheme.replace("_", "-")
        raise SettingsError(f"{told!r} is not a URL; one begins with {right}://")
    try:
        return urlsplit(url).scheme.replace("-", "_").replace("+", "_")
    except ValueError as error:
        raise SettingsError(f"{told!r} is not a URL: {error}") from error


def without_password(url: str) -> str:
    """Give a URL, or what was meant to be one, as it may be shown in a message."""
    before, at, after = url.rpartition("@")
    scheme, slash, user = before.partition("/")
    return f"{scheme}{slash}{user.partition(':')[0]}{at}{after}" if at else url


def from_query(url: str, opening: Callable[..., Any]) -> dict[str, Any]:
    """Give the settings in a URL's query, converted to the types of arguments."""
    parameters = inspect.signature(opening).parameters
    found: dict[str, Any] = {}
    for name, text in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        known = parameters.get(name)
        found[name] = text if known is None else _converted(name, text, known)
    return found


def _converted(name: str, text: str, parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if get_origin(annotation) in {Union, types.UnionType}:
        # bool before int: "true" is no number
        options = [part for part in get_args(annotation) if part is not type(None)]
        annotation = options[0] if options else str
    if get_origin(annotation) is Literal:
        return text
    if annotation is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off"}:
            return False
        raise SettingsError(f"{name} is {text!r}; it can be true or false")
    if annotation in {int, float}:
        try:
            return annotation(text)
        except ValueError as error:
            raise SettingsError(f"{name} is {text!r}; it takes a number") from error
    return text


def check_names(
    backend: str, opening: Callable[..., Any], settings: Mapping[str, Any]
) -> None:
    """Refuse a setting that the backend does not have, or lacks, naming all."""
    parameters = inspect.signature(opening).parameters
    known = [
        name
        for name, parameter in parameters.items()
        if parameter.kind
        in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    ]
    for name in settings:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise SettingsError(
                f"{backend} has no setting {name!r}{hint}; it has {', '.join(known)}"
            )
    missing = [
        name
        for name in known
        if parameters[name].default is inspect.Parameter.empty and name not in settings
    ]
    if missing:
        raise SettingsError(
            f"{backend} needs the setting {', '.join(missing)}; "
            f"it has {', '.join(known)}"
        )
