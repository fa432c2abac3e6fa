"""`memdesk model`: which embedding model gives memories their meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import Progress, put, say
from memdesk.errors import Invalid, ModelError

if TYPE_CHECKING:
    from memdesk.catalog import ModelSpec
    from memdesk.cli.root import Desk

_MEGABYTE = 1_000_000


@click.group(cls=Verbs, short_help="List, add and choose embedding models.")
def model() -> None:
    """Which embedding model gives memories their meaning.

    One comes with memdesk; any embedding model in a GGUF file can take its place.

    Example: memdesk model list
    """


@model.verb("list", example="memdesk model list")
@as_json
@pass_desk
def list_(desk: Desk, *, json_: bool) -> None:
    """List the models this machine knows; with --json one per line."""
    for spec in desk.catalog.list():
        if json_:
            put_json(_fields(spec))
        else:
            put(f"{spec.name}  {spec.dims} dimensions  {spec.size / _MEGABYTE:.0f} MB  {spec.path}")


@model.verb(
    "add",
    example="memdesk model add embeddinggemma-300m.gguf --name gemma\nmemdesk model use gemma",
)
@click.argument("file", type=click.Path())
@click.option("--name", metavar="NAME", help="What to call it; its file name without one.")
@as_json
@pass_desk
def add(desk: Desk, file: str, *, name: str | None, json_: bool) -> None:
    """Make an embedding model in a GGUF file known; it stays where it is.

    It is loaded once to see that it runs on this machine.
    """
    spec = desk.catalog.add(Path(file), name=name)
    if json_:
        put_json(_fields(spec))
    else:
        put(spec.name)
    say(f"{spec.dims} dimensions; choose it with: memdesk model use {spec.name}")


@model.verb("use", example="memdesk model use all-MiniLM-L6-v2")
@click.argument("name")
@pass_desk
def use(desk: Desk, name: str) -> None:
    """Give every memory its vectors by another model, then search with it.

    Until the last one is done, search goes on with the model before.
    """
    try:
        spec = desk.catalog.get(name)
    except ModelError as error:
        raise Invalid("name", str(error)) from error
    with Progress("embedding") as progress:
        done = desk.service.use_model(spec, progress)
    say(f"{name} is in use; memories embedded: {done}")


def _fields(spec: ModelSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "path": str(spec.path),
        "size": spec.size,
        "sha256": spec.sha256,
        "dims": spec.dims,
        "context": spec.context,
        "pooling": spec.pooling,
        "fingerprint": spec.fingerprint,
    }
