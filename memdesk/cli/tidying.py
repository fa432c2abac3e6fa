"""`memdesk tag`, `space`, `move`, `merge` and `revert`: keeping the desk tidy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memdesk.cli.changes import ask_first, finish_passages, how_many, show_changed
from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.page import put_line
from memdesk.cli.terminal import flush, one_line, put, say
from memdesk.cli.text import given_text
from memdesk.memory import Edit, clean_tags, new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memdesk.cli.root import Desk

tidying = Verbs()

_ID = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"
_OTHER = "0f9f4f3e-5a52-4f0e-8b7c-2f4f3d1c9a77"
_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.group(cls=Verbs, short_help="List, rename and delete tags.")
def tag() -> None:
    """The labels that memories have.

    Example: memdesk tag list
    """


@tag.verb("list", example="memdesk tag list\nmemdesk tag list --json | jq -r .name")
@as_json
@pass_desk
def list_tags(desk: Desk, *, json_: bool) -> None:
    """List the tags of live memories, the most used first; with --json one per line."""
    _put_counts(desk.service.stats().tags, json_=json_)


@tag.verb("rename", example="memdesk tag rename recipes cooking")
@click.argument("old")
@click.argument("new")
@as_json
@pass_desk
def rename_tag(desk: Desk, old: str, new: str, *, json_: bool) -> None:
    """Give every memory that has a tag another in its place.

    Where the other is there already, the two are merged. Prints the ids that this changed.
    """
    if not (name := "".join(clean_tags((new,)))):
        raise click.UsageError("NEW is empty; take a tag away by: memdesk tag delete")
    show_changed(desk.service.rename_tag(old, name), f"now tagged “{name}”", json_=json_)


@tag.verb("delete", example="memdesk tag delete todo")
@click.argument("name", metavar="TAG")
@_yes
@as_json
@pass_desk
def delete_tag(desk: Desk, name: str, *, yes: bool, json_: bool) -> None:
    """Take a tag off every memory that has it; the memories stay.

    Asks first. Prints the ids that this changed.
    """
    name = "".join(clean_tags((name,)))
    if not yes and (many := desk.service.stats().tags.get(name)):
        ask_first("delete", f"Take the tag “{name}” off {how_many(many)}?")
    show_changed(desk.service.rename_tag(name, ""), f"no longer tagged “{name}”", json_=json_)


@click.group(cls=Verbs, short_help="List, rename and delete spaces.")
def space() -> None:
    """The projects that memories belong to.

    Example: memdesk space list
    """


@space.verb("list", example="memdesk space list\nmemdesk space list --json | jq -r .name")
@as_json
@pass_desk
def list_spaces(desk: Desk, *, json_: bool) -> None:
    """List the spaces of live memories, the fullest first; with --json one per line."""
    _put_counts(desk.service.stats().spaces, json_=json_)


@space.verb("rename", example="memdesk space rename website homepage")
@click.argument("old")
@click.argument("new")
@as_json
@pass_desk
def rename_space(desk: Desk, old: str, new: str, *, json_: bool) -> None:
    """Move every memory of a space to another, those in the trash too.

    Where the other is there already, the two are merged. Prints the ids that this changed.
    """
    show_changed(desk.service.rename_space(old, new), f"now in “{new}”", json_=json_)
    if old == desk.settings.space:
        say(f"new memories still go to “{old}”: the setting `space` says so")


@space.verb("delete", example="memdesk space delete website")
@click.argument("name")
@_yes
@as_json
@pass_desk
def delete_space(desk: Desk, name: str, *, yes: bool, json_: bool) -> None:
    """Move every memory of a space to the trash, where they stay for 30 days.

    Asks first. Prints the ids that this changed.
    """
    if not yes and (many := desk.service.stats().spaces.get(name)):
        ask_first("delete", f"Move {how_many(many)} of “{name}” to the trash?")
    show_changed(desk.service.delete_space(name), "moved to the trash", json_=json_)


@tidying.verb("move", example=f"memdesk move website {_ID}")
@click.argument("space", metavar="SPACE")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@as_json
@pass_desk
def move(desk: Desk, space: str, ids: tuple[str, ...], *, json_: bool) -> None:
    """Move memories to a space, all or none.

    Prints the ids that this changed.
    """
    moved = desk.service.revise_many(ids, Edit(space=space))
    show_changed(moved, f"moved to “{space}”", json_=json_)


@tidying.verb(
    "merge",
    example=f'memdesk merge {_ID} {_OTHER}\nmemdesk merge {_ID} {_OTHER} "Tea and cake at five"',
)
@click.argument("keep")
@click.argument("drop")
@click.argument("text", nargs=-1)
@as_json
@pass_desk
def merge(desk: Desk, keep: str, drop: str, text: tuple[str, ...], *, json_: bool) -> None:
    """Make two memories one: KEEP gets the tags of both, and takes the place of DROP.

    With a TEXT it has that from now on; `-` reads it from a pipe. Prints the ids that this changed.
    """
    new = given_text(text, None)
    merged = desk.service.merge(keep, drop, None if new is None else Edit(text=new))
    show_changed(merged, "made one", json_=json_)
    finish_passages(desk.service)


@tidying.verb("revert", example=f"memdesk history {_ID}\nmemdesk revert {_ID} 12")
@click.argument("id")
@click.argument("seq", type=click.IntRange(0))
@as_json
@pass_desk
def revert(desk: Desk, id: str, seq: int, *, json_: bool) -> None:
    """Give a memory back what it told in an earlier revision, by the SEQ that `history` shows.

    Prints the memory as it is now.
    """
    change = new_id()
    reverted = desk.service.revert(id, seq, change=change, fresh=True)
    put_json(reverted) if json_ else put_line(reverted)
    flush()
    changed = reverted.change == change
    say(f"take it back with: memdesk undo {change}" if changed else "already so")
    finish_passages(desk.service)


def _put_counts(counts: Mapping[str, int], *, json_: bool) -> None:
    for name, count in counts.items():
        if json_:
            put_json({"name": name, "memories": count})
        else:
            put(f"{one_line(name)}  {count}")
