"""The command line: ``pymodels serve``."""

import ipaddress
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pymodels.backends._tokyo.facts import TableFacts
from pymodels.errors import PyModelsError, StorageError
from pymodels.tokyo.guards import MOST_BUCKETS
from pymodels.tokyo.serve.serving import Place, serve

try:
    import typer
except ModuleNotFoundError as missing:
    raise SystemExit(
        "the command `pymodels` needs the package typer: pip install typer"
    ) from missing

application = typer.Typer(
    name="pymodels",
    help="Pydantic models over any document store.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@application.callback()
def main() -> None:
    """Keep `serve` a command of its own, as others will be."""


@application.command("serve")
def serve_file(
    file: Annotated[Path, typer.Argument(help="A .tct or .tch file; made if absent.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 1978,
    socket: Annotated[
        str | None, typer.Option(help="A UNIX socket to listen on instead.")
    ] = None,
    readonly: Annotated[
        bool, typer.Option("--readonly", help="Refuse every write.")
    ] = False,
    max_connections: Annotated[
        int, typer.Option(min=1, help="How many clients at a time.")
    ] = 512,
    bnum: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_BUCKETS,
            help="How many buckets a new file gets, best more than there will be "
            "records; 0 is the library's default.",
        ),
    ] = 0,
    log: Annotated[
        str | None, typer.Option(help="A file to log to; - is standard error.")
    ] = None,
) -> None:
    """Serve a Tokyo Cabinet file to Tokyo Tyrant clients.

    There is no authentication: everyone who reaches the port may read and write all.
    """
    try:
        _log_to(log)
        if socket == "":
            raise StorageError("--socket is empty; it takes a path")
        if socket is None and not is_loopback(host):
            typer.echo(
                f"warning: {host} is not a loopback address; who reaches it may "
                "read and write everything, the protocol has no authentication",
                err=True,
            )
        place = Place(host, port, socket, max_connections)
        # A server knows nothing of notes by itself.
        watch = TableFacts.of_rows
        serve(file, place, _say, readonly=readonly, bnum=bnum, watch=watch)
    except (PyModelsError, OSError) as error:
        typer.echo(f"pymodels serve: {error}", err=True)
        raise typer.Exit(1) from error


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def _log_to(name: str | None) -> None:
    if name is None:
        logging.basicConfig(level=logging.WARNING, format=FORMAT)
    elif name == "-":
        logging.basicConfig(level=logging.INFO, format=FORMAT)
    else:
        try:
            logging.basicConfig(level=logging.INFO, format=FORMAT, filename=name)
        except OSError as error:
            raise StorageError(f"cannot log to {name}: {error.strerror}") from error


FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine only."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
