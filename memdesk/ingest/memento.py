"""Memento: a folder for each user, and in it each memory's text beside its .meta file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest import fields, parts
from memdesk.ingest.item import Format, Skipped
from memdesk.ingest.paper import Paper, Unfit, head, shown
from memdesk.ingest.papers import first, papers
from memdesk.ingest.values import valid
from memdesk.memory import check_space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memdesk.ingest.item import Choices, Item
    from memdesk.memory import Draft

_META = ".meta"
_MARKS = (b'"stored_filename"', b'"content_hash"')
_NAMED = re.compile(r"\d{8}_\d{6}_.+", re.DOTALL)
"""What Memento names a text: when it was stored, then its own name."""
_MOST_META = 1 << 20
_DERIVED = ("stored_filename", "content_hash", "size")
"""What its .meta tells that the text and its name tell, too."""


def _recognises(path: Path) -> bool:
    """Tell whether a folder, or one in it, has a .meta file that Memento wrote."""
    found = first(path) if path.is_dir() else ()
    metas = (each.path for each in found if each.path.suffix == _META)
    return any(all(mark in head(meta, _MOST_META) for mark in _MARKS) for meta in metas)


def _read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    if not path.is_dir():
        raise Invalid(
            shown(str(path)), "is no folder; name the one that Memento keeps its users in"
        )
    several = len({_user(each) for each in papers(path) if _is_memory(each)}) > 1
    known = False
    for each in papers(path):
        if isinstance(each, Skipped):
            yield each
        elif _is_memory(each):
            known = True
            yield from _memory(each, choices.space or (_space(_user(each)) if several else None))
        elif each.path.suffix != _META:
            yield Skipped(each.place, "is no memory of Memento")
        elif not each.path.with_suffix("").is_file():
            yield Skipped(each.place, "has lost its text")
    if not known:
        raise Invalid(shown(str(path)), "holds no text with a .meta file of Memento beside it")


def _meta(paper: Paper) -> Path:
    return paper.path.with_name(paper.path.name + _META)


def _has_meta(paper: Paper) -> bool:
    """Tell whether a text's .meta file is beside it; one that is a link may lead anywhere."""
    return _meta(paper).is_file() and not _meta(paper).is_symlink()


def _is_memory(paper: Paper | Skipped) -> bool:
    """Tell whether a file is a text of Memento: one stored just before a crash has no .meta."""
    if isinstance(paper, Skipped):
        return False
    return _has_meta(paper) or bool(
        _NAMED.fullmatch(paper.path.name) and paper.path.suffix != _META
    )


def _user(paper: Paper | Skipped) -> str:
    """Return whose folder a file is in; empty for the folder that was named."""
    return paper.place.rpartition("/")[0].rpartition("/")[2]


def _space(user: str) -> str | None:
    try:
        return check_space(user)
    except Invalid:
        return None


def _memory(paper: Paper, space: str | None) -> Iterator[Item | Skipped]:
    """Yield a memory as its two files tell it, or why it is none."""
    try:
        meta = _told(paper)
    except Unfit as unfit:
        yield Skipped(paper.place + _META, str(unfit))
        meta = {}
    told = fields.told(meta, without="text")

    def drafted(text: str, part: dict[str, int]) -> Draft:
        rest = {**told.rest, **part}
        return fields.Told(told.fields, rest).drafted(text, space=space, created_at=paper.changed)

    try:
        description = _description(meta.get("description"))
        text = paper.words()
        known = parts.begins(text, description)
        whole = text if known else f"{description}\n\n{text}"
        yield from parts.items(whole, description[:300], paper.place, drafted)
    except Unfit as unfit:
        yield Skipped(paper.place, str(unfit))


def _description(value: object) -> str:
    return (valid(value) if isinstance(value, str) else fields.word(value or "")).strip()


def _told(paper: Paper) -> dict[str, object]:
    """Return what the .meta file of a text says, nothing where there is none; raises `Unfit`."""
    meta = Paper(_meta(paper), paper.place + _META)
    if not _has_meta(paper):
        return {}
    try:
        value = json.loads(meta.words(_MOST_META))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unfit("is no .meta file of Memento")
    said = {name: each for name, each in value.items() if each not in ("", [], None)}
    return {name: each for name, each in said.items() if name not in _DERIVED}


FORMAT = Format("memento", "Memento's texts with their .meta files", _recognises, _read)
