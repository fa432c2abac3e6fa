"""Memories as a person reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from memdesk.cli.terminal import columns_of, fit, one_line, put, width
from memdesk.memory import LIVE, PERSONAL, now
from memdesk.moment import age

if TYPE_CHECKING:
    from datetime import datetime

    from memdesk.answers import Hit, Revision
    from memdesk.memory import Memory

_PRECISE = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}


def put_line(memory: Memory) -> None:
    """Print a memory as one line: id, age, kind and where it belongs, and its first words.

    On a terminal the words have at least half of it, and what there is no room for is left out.
    """
    columns, words, parts = width(), one_line(memory.title), _parts(memory)
    if columns is None:
        put("  ".join((memory.id, " ".join(parts), words)))
        return
    if columns_of(words) < columns_of(one_line(memory.text)):
        words = words.removesuffix("…") + "…"
    room = columns - len(memory.id) - 4 - min(columns_of(words), columns // 2)
    while parts and columns_of(" ".join(parts)) > room:
        parts.pop()
    put(fit("  ".join(part for part in (memory.id, " ".join(parts), words) if part), columns))


def put_hit(place: int, hit: Hit, *, explain: bool) -> None:
    """Print a hit as two lines, and a third that says why it was found."""
    _put_fitting(f"{place}. {one_line(hit.passage)}")
    _put_fitting(f"   {hit.memory.id}  {_about(hit.memory)}")
    if explain:
        put(f"   {_why(hit)}")


def put_memory(memory: Memory) -> None:
    """Print everything about a memory, then its text."""
    for name, value in _fields(memory):
        put(f"{name + ':':<13}{one_line(value)}")
    put("")
    put(memory.text or "(erased)")


def put_revision(revision: Revision) -> None:
    """Print one state a memory was in."""
    since, until = _time(revision.valid_from), revision.valid_to
    to = _time(until) if until else "now"
    memory = revision.memory
    _put_fitting(f"{since} to {to}  {memory.state}  by {one_line(memory.actor)}")
    _put_fitting(f"   {one_line(memory.title)}")
    put(f"   change {memory.change}")


def _about(memory: Memory) -> str:
    return " ".join(_parts(memory))


def _parts(memory: Memory) -> list[str]:
    """Return what a memory is, in single words, the most telling first."""
    parts = [age(memory.when, now()), memory.kind]
    parts += [memory.space] if memory.space != PERSONAL else []
    parts += [memory.state] if memory.state != LIVE else []
    parts += ["pinned"] if memory.pinned else []
    return [one_line(part) for part in (*parts, *(f"#{tag}" for tag in memory.tags))]


def _why(hit: Hit) -> str:
    words = "no words" if hit.keyword_rank is None else f"words {hit.keyword_rank}."
    words += f" ({hit.keyword_score:.2f})" if hit.keyword_rank is not None else ""
    meaning = "no meaning" if hit.vector_rank is None else f"meaning {hit.vector_rank}."
    meaning += f" (cosine {hit.cosine:.2f})" if hit.cosine is not None else ""
    return f"{words} · {meaning} · score {hit.score:.4f} · characters {hit.span[0]}-{hit.span[1]}"


def _fields(memory: Memory) -> list[tuple[str, str]]:
    told = [
        ("id", memory.id),
        ("kind", memory.kind),
        ("space", memory.space),
        ("state", memory.state),
        ("tags", ", ".join(memory.tags)),
        ("happened", _happened(memory)),
        ("remembered", _time(memory.created_at)),
        ("revised", _time(memory.updated_at) if memory.updated_at != memory.created_at else ""),
        ("expires", _time(memory.expires_at) if memory.expires_at else ""),
        ("pinned", "yes" if memory.pinned else ""),
        ("source", f"{memory.source.name} ({memory.source.trust}) {memory.source.ref}"),
        ("replaces", memory.replaces or ""),
        ("replaced by", memory.replaced_by or ""),
        ("flags", ", ".join(memory.flags)),
        ("metadata", memory.metadata if memory.metadata != "{}" else ""),
    ]
    return [(name, value) for name, value in told if value]


def _happened(memory: Memory) -> str:
    """In the writer's own time, as exactly as it is known."""
    if memory.happened_at is None:
        return ""
    shape = _PRECISE.get(memory.happened_precision or "")
    if shape is None:
        return _time(memory.happened_at)
    return (memory.happened_at + timedelta(minutes=memory.utc_offset_min or 0)).strftime(shape)


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _put_fitting(line: str) -> None:
    columns = width()
    put(fit(line, columns) if columns else line)
