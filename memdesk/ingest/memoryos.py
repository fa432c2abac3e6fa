"""MemoryOS: a user's short-term, mid-term and long-term files, of the library and of its server.

The library keeps users/ID/short_term.json, mid_term.json and long_term_user.json, and
assistants/ID/long_term_assistant.json; the server ID/short_term/memory.json and so on. Vectors are
left behind: they are another model's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest import fields, streamed
from memdesk.ingest.item import Format, Item, Skipped
from memdesk.ingest.paper import Paper, Unfit, head, opened, shown
from memdesk.ingest.papers import first, papers
from memdesk.memory import check_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from memdesk.ingest.item import Choices

_EXPECTED = "a file of MemoryOS"
_BROKEN = "is broken off, or is no JSON of MemoryOS"
_MOST_PAGES = 1_000_000
"""So many are known again under another theme; MemoryOS itself keeps 2,000 segments."""
_LONGEST_PROFILE = 1 << 20
_MARKS = re.compile(
    rb'"(?:user_input|sessions|qa_pairs|knowledge_base|knowledge|user_profiles|profile_text)"'
)
_OWN = (
    *("page_id", "page_embedding", "pre_page", "next_page", "preloaded", "analyzed"),
    *("knowledge_embedding", "access_count", "last_accessed", "archived_at"),
)
"""What MemoryOS keeps for itself."""
_NOTHING = ("", "none", "none.")
"""How its own code says that there is nothing."""


@dataclass
class _Owner:
    """Whose file it is, and where what it holds belongs."""

    name: str
    space: str | None
    pages: set[str] = field(default_factory=set)
    """The pages that were seen: each is kept under every theme it touches."""

    def session(self, part: str) -> str:
        """Return the name of a conversation, the same in every import."""
        return f"MemoryOS {self.name} {part}"[:200]


def _turns(
    pairs: Iterable[object], session: str, place: str, owner: _Owner
) -> Iterator[Item | Skipped]:
    """Yield what was said in each exchange, the person's words before the answer."""
    for number, pair in enumerate(pairs, 1):
        where = f"{place}, exchange {number}"
        page = pair.get("page_id") if isinstance(pair, dict) else None
        if not isinstance(pair, dict):
            yield Skipped(where, "is no exchange of MemoryOS")
        elif isinstance(page, str) and page in owner.pages:
            yield Skipped(where, "stands under another theme, too")
        else:
            if isinstance(page, str) and len(owner.pages) < _MOST_PAGES:
                owner.pages.add(page)
            yield from _exchange(pair, session, 2 * (number - 1), where, owner)


def _exchange(
    pair: Mapping[str, object], session: str, position: int, where: str, owner: _Owner
) -> Iterator[Item | Skipped]:
    """Yield the two turns of an exchange."""
    rest = _rest(pair, "user_input", "agent_response", "timestamp")
    times = _times(pair, "happened_at", "created_at")
    for step, (role, name) in enumerate((("user", "user_input"), ("assistant", "agent_response"))):
        turn = {"session": session, "position": position + step, "role": role}
        told = fields.Told({"text": pair.get(name), **turn, **times}, rest)
        yield _item(told, "dialogue", f"{where}, {role}", owner)


def _item(told: fields.Told, kind: str, where: str, owner: _Owner) -> Item | Skipped:
    """Return the memory that a file tells of, or why it is none."""
    text = told.fields.get("text")
    if not isinstance(text, str) or text.strip("- \t\n").lower() in _NOTHING:
        return Skipped(where, "has no text")
    try:
        return Item(told.drafted(text, kind=kind, space=owner.space), where)
    except Unfit as unfit:
        return Skipped(where, str(unfit))


def _rest(value: Mapping[str, object], *used: str) -> dict[str, object]:
    """Return what is left of an entry that says something."""
    empty: tuple[object, ...] = (None, "", [], {})
    return {
        name: each
        for name, each in value.items()
        if name not in (*used, *_OWN) and each not in empty
    }


def _times(value: Mapping[str, object], *names: str) -> dict[str, object]:
    """Return the fields that a time is; one that is none is left for the metadata, under its name."""
    stamp = value.get("timestamp")
    if stamp in (None, ""):
        return {}
    known = isinstance(stamp, str | int | float) and fields.past(stamp)
    return dict.fromkeys(names if known else ("created_at",), stamp)


def _short_term(paper: Paper, owner: _Owner) -> Iterator[Item | Skipped]:
    """Yield the turns of the latest exchanges, or of those that overflowed."""
    session = owner.session("overflow" if "overflow" in paper.path.name else "short-term")
    pairs = (part.value for part in _parts(paper) if part.key in ("", "entries") and part.number)
    yield from _turns(pairs, session, paper.place, owner)


def _mid_term(paper: Paper, owner: _Owner) -> Iterator[Item | Skipped]:
    """Yield each segment's summary, and the turns it sums up."""
    for part in _parts(paper, "sessions"):
        where = f"{paper.place}, segment {part.number}"
        if not part.number:
            continue
        if not isinstance(part.value, dict):
            yield Skipped(where, "is no segment of MemoryOS")
            continue
        segment: dict[str, object] = part.value
        told = _times(segment, "created_at")
        keywords = segment.get("summary_keywords") or segment.get("themes")
        known = {**told, "tags": keywords} if isinstance(keywords, list) else told
        summary = {"text": segment.get("summary"), **known}
        rest = {"segment": segment.get("id")}
        yield _item(fields.Told(summary, rest), "note", f"{where}, summary", owner)
        name = owner.session(str(segment.get("id") or part.number))
        pairs = segment.get("details") or segment.get("qa_pairs")
        yield from _turns(pairs if isinstance(pairs, list) else [], name, where, owner)


def _long_term(paper: Paper, owner: _Owner) -> Iterator[Item | Skipped]:
    """Yield the profile and the knowledge that the library keeps in one file."""
    for part in _parts(paper, "user_profiles"):
        where = f"{paper.place}, {part.key} {part.number}"
        if part.number and part.key == "user_profiles":
            value = part.value if isinstance(part.value, dict) else {}
            yield _item(_profiled(value.get("data"), value), "fact", where, owner)
        elif part.number and part.key in ("knowledge_base", "assistant_knowledge"):
            yield _fact(part.value, part.key == "assistant_knowledge", where, owner)


def _profiled(text: object, value: Mapping[str, object]) -> fields.Told:
    times = _times({"timestamp": value.get("last_updated")}, "created_at")
    return fields.Told({"text": text, "tags": ["profile"], **times}, {})


def _knowledge(paper: Paper, owner: _Owner) -> Iterator[Item | Skipped]:
    """Yield the knowledge that the server keeps in a file of its own."""
    for part in _parts(paper):
        if part.number:
            assistant = paper.path.name.startswith("assistant")
            yield _fact(part.value, assistant, f"{paper.place}, entry {part.number}", owner)


def _fact(value: object, assistant: bool, where: str, owner: _Owner) -> Item | Skipped:
    """Return what is known of the person, or of the assistant."""
    if not isinstance(value, dict):
        return Skipped(where, "is no knowledge of MemoryOS")
    text = value.get("knowledge")
    known = {
        "text": text.removeprefix("- ") if isinstance(text, str) else None,
        **_times(value, "created_at"),
        **({"tags": ["assistant"]} if assistant else {}),
        **({"confidence": value["confidence"]} if "confidence" in value else {}),
    }
    rest = _rest(value, "knowledge", "timestamp", "confidence", "id")
    return _item(fields.Told(known, rest), "fact", where, owner)


def _profile(paper: Paper, owner: _Owner) -> Iterator[Item | Skipped]:
    """Yield the profile that the server keeps in a file of its own, its lists as lines."""
    try:
        told = json.loads(paper.words(_LONGEST_PROFILE))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Unfit(_BROKEN)
    lines = [str(told.get("profile_text") or "")]
    for name in ("personality_traits", "interests", "preferences", "goals"):
        words = fields.words(told.get(name) or [])
        lines += [f"{name.replace('_', ' ').capitalize()}: {', '.join(words)}"] if words else []
    text = "\n".join(line for line in lines if line.strip("- \t\n").lower() not in _NOTHING)
    yield _item(_profiled(text, told), "fact", paper.place, owner)


def _parts(paper: Paper, apart: str | None = None) -> Iterator[streamed.Part]:
    """Yield what a file holds; raises `Unfit` where that is not JSON."""
    with opened(paper.path) as file:
        try:
            yield from streamed.parts(file, paper.place, _EXPECTED, apart)
        except Invalid:
            raise Unfit(_BROKEN) from None


_FILES: tuple[tuple[re.Pattern[str], Callable[[Paper, _Owner], Iterator[Item | Skipped]]], ...] = (
    (re.compile(r"(?:.*/)?short_term\.json"), _short_term),
    (re.compile(r"(?:.*/)?mid_term\.json"), _mid_term),
    (re.compile(r"(?:.*/)?long_term_(?:user|assistant)\.json"), _long_term),
    (re.compile(r"(?:.*/)?short_term/(?:memory|overflow|cleared_backup)\.json"), _short_term),
    (re.compile(r"(?:.*/)?mid_term/(?:memory|archived_segments)\.json"), _mid_term),
    (re.compile(r"(?:.*/)?long_term/(?:user|assistant)_knowledge.*\.json"), _knowledge),
    (re.compile(r"(?:.*/)?long_term/user_profile\.json"), _profile),
)


def _reader(paper: Paper) -> Callable[[Paper, _Owner], Iterator[Item | Skipped]] | None:
    return next((read for name, read in _FILES if name.fullmatch(paper.place)), None)


def _owner(paper: Paper, root: str) -> str:
    """Return whose file it is: the library's user has files, the server's three folders."""
    above = [root, *paper.place.split("/")[:-1]]
    return above[-2] if above[-1] in ("short_term", "mid_term", "long_term") else above[-1]


def _is_user(paper: Paper) -> bool:
    return _reader(paper) is not None and "long_term_assistant" not in paper.path.name


def _recognises(path: Path) -> bool:
    """Tell whether a folder has files named and begun as MemoryOS does."""
    found = first(path) if path.is_dir() else ()
    return any(_reader(each) and _MARKS.search(head(each.path, 1 << 16)) for each in found)


def _read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    if not path.is_dir():
        raise Invalid(shown(str(path)), "is no folder; name a user's folder of MemoryOS")
    root = shown(path.resolve().name)
    users = {
        _owner(each, root) for each in papers(path) if isinstance(each, Paper) and _is_user(each)
    }
    owners: dict[str, _Owner] = {}
    read = 0
    for each in papers(path):
        reader = None if isinstance(each, Skipped) else _reader(each)
        if isinstance(each, Skipped) or reader is None:
            yield each if isinstance(each, Skipped) else Skipped(each.place, "is no memory")
            continue
        name = _owner(each, root)
        own = name if len(users) > 1 and _is_user(each) else None
        owner = owners.setdefault(name, _Owner(name, choices.space or _space(own)))
        try:
            yield from reader(each, owner)
            read += 1
        except Unfit as unfit:
            yield Skipped(each.place, str(unfit))
    if not read:
        raise Invalid(shown(str(path)), f"holds no file that can be read as {_EXPECTED}")


def _space(name: str | None) -> str | None:
    try:
        return check_space(name) if name else None
    except Invalid:
        return None


FORMAT = Format("memoryos", "MemoryOS's user folders", _recognises, _read)
