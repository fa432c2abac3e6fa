"""`memdesk model`: which embedding model gives memories their meaning, and the way from one to another."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import Progress, put, say
from memdesk.errors import Invalid, MemdeskError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """List the models this machine knows, and which one is in use; with --json one per line."""
    uses = _uses(desk)
    for spec in desk.catalog.list():
        use = uses.get(spec.name, "")
        size = f"{spec.dims} dimensions  {spec.size / _MEGABYTE:.0f} MB"
        if json_:
            put_json({**_fields(spec), "use": use})
        else:
            put("  ".join(part for part in (spec.name, use, size, str(spec.path)) if part))


def _uses(desk: Desk) -> dict[str, str]:
    """Return what the store does with models, by their names; nothing where there is no store."""
    if not (desk.settings.home / "store.json").exists():
        return {}
    try:
        status = desk.service.status()
    except MemdeskError as error:
        say(f"which model is in use is not known: {error}")
        return {}
    uses = {status.former: "in use before", status.stats.model: "in use"}
    return uses | ({status.coming: f"coming, {status.switch}"} if status.coming else {})


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

    Until the last one is done, search goes on with the model before. What is cut short goes on in
    the background, or when the same is asked again.
    """
    try:
        spec = desk.catalog.get(name)
    except ModelError as error:
        raise Invalid("name", str(error)) from error
    coming = desk.service.status().coming
    with _told_on_interrupt(desk), Progress("embedding") as progress:
        done = desk.service.use_model(spec, progress)
    if done:
        say(f"{name} is in use; memories embedded: {done}")
        return
    known = desk.service.status()
    same = known.stats.model == name
    say(f"{name} is in use" if same else f"{name} is {known.stats.model}, which is in use")
    if coming and not known.coming:
        say(f"the change to {coming} was given up")


@model.verb("back", example="memdesk model back")
@pass_desk
def back(desk: Desk) -> None:
    """Go back to the model that was in use before, or give up a change under way.

    The vectors of the model before are kept for a week: within it only what has changed is embedded.
    """
    with _told_on_interrupt(desk), Progress("embedding") as progress:
        name = desk.service.roll_back_model(progress)
    say(f"{name} is in use")


@contextmanager
def _told_on_interrupt(desk: Desk) -> Iterator[None]:
    """Say to a person who leaves where the work goes on."""
    try:
        yield
    except KeyboardInterrupt:
        where = "in the background" if desk.has_daemon else "when you ask for the same again"
        say(f"it goes on {where}; `memdesk model back` gives it up")
        raise


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
