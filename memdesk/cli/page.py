"""Memories as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.cli.terminal import columns_of, fit, one_line, put, width
from memdesk.memory import LIVE, PERSONAL, now
from memdesk.moment import age, happened_words, wall_clock

if TYPE_CHECKING:
    from datetime import datetime

    from memdesk.answers import Hit, Revision
    from memdesk.memory import Memory

_WORD_COLUMNS = 30
"""What a word that matched may take of a line; a run without spaces may be a whole sentence."""


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


def put_hit(lead: str, hit: Hit, *, explain: bool) -> None:
    """Print a hit as two lines, those that say why it was found, and one for each turn beside it.

    `lead` stands before its passage: its place, or what else it is.
    """
    said = _said(hit.memory, hit.passage) if hit.beside else hit.passage
    _put_fitting(f"{lead}{one_line(said)}")
    _put_fitting(f"   {hit.memory.id}  {_about(hit.memory)}")
    for line in _why(hit) if explain else ():
        put(f"   {line}")
    for turn in hit.beside:
        side = "before" if (turn.position or 0) < (hit.memory.position or 0) else "after"
        _put_fitting(f"   {side:<6} {one_line(_said(turn, turn.text))}")


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
    put(f"   seq {memory.seq}  change {memory.change}")


def _about(memory: Memory) -> str:
    return " ".join(_parts(memory))


def _parts(memory: Memory) -> list[str]:
    """Return what a memory is, in single words, the most telling first."""
    parts = [age(memory.when, now()), memory.kind]
    parts += [memory.space] if memory.space != PERSONAL else []
    parts += [memory.state] if memory.state != LIVE else []
    parts += ["pinned"] if memory.pinned else []
    return [one_line(part) for part in (*parts, *(f"#{tag}" for tag in memory.tags))]


def _said(turn: Memory, words: str) -> str:
    """Return words of a conversation with whose they are, where that is known."""
    who = turn.speaker or turn.role
    return f"{who}: {words}" if who else words


def _why(hit: Hit) -> tuple[str, str, str]:
    """Return how a hit was found, what its score is made of, and where it comes from."""
    memory, (start, end) = hit.memory, hit.span
    words = "not by words" if hit.keyword_rank is None else f"words {hit.keyword_rank}."
    words += f" (BM25 {hit.keyword_score:.2f})" if hit.keyword_rank is not None else ""
    meaning = "not by meaning" if hit.vector_rank is None else f"meaning {hit.vector_rank}."
    meaning += f" (cosine {hit.cosine:.2f})" if hit.cosine is not None else ""
    parts = (("words", hit.words), ("meaning", hit.meaning), *hit.priors)
    sums = "".join(f" {'-' if part < 0 else '+'} {name} {abs(part):.3f}" for name, part in parts)
    source = f"from {one_line(memory.source.name)} ({one_line(memory.source.trust)})"
    part = f" · characters {start}-{end} of {len(memory.text)}"
    return (
        f"{meaning} · {words}{_matched(hit)}",
        f"score {hit.score:.3f} ={sums.removeprefix(' +')}",
        f"age {age(memory.when, now())} · space {one_line(memory.space)} · {source}{part}",
    )


def _matched(hit: Hit) -> str:
    """Return the words of the passage that the question has too, each once, in quotes."""
    words: dict[str, str] = {}
    for start, end in hit.matched:
        word = one_line(hit.memory.text[start:end])
        words.setdefault(word.casefold(), f" “{fit(word, _WORD_COLUMNS)}”")
    return "".join(words.values())


def _fields(memory: Memory) -> list[tuple[str, str]]:
    told = [
        ("id", memory.id),
        ("kind", memory.kind),
        ("space", memory.space),
        ("state", memory.state),
        ("tags", ", ".join(memory.tags)),
        ("audience", ", ".join(memory.audience)),
        ("happened", happened_words(memory)),
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


def _time(moment: datetime) -> str:
    return wall_clock(moment).strftime("%Y-%m-%d %H:%M:%S")


def _put_fitting(line: str) -> None:
    columns = width()
    put(fit(line, columns) if columns else line)
