"""Claude.ai's export: conversations, what Claude remembers, and projects, in one zip or several."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid
from memdesk.ingest import chat
from memdesk.ingest.bundle import Bundle, Entry, opened
from memdesk.ingest.chat import Chat
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.remembered import paragraphs
from memdesk.ingest.streamed import records
from memdesk.ingest.tree import branch
from memdesk.ingest.values import (
    exactly,
    found,
    mapping,
    metadata,
    moment,
    name,
    sequence,
    tags,
    words,
)
from memdesk.memory import PERSONAL, Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import datetime
    from pathlib import Path

    Told = Iterator[Item | Skipped]

EXPECTED = "Claude.ai's export: conversations with “chat_messages”, memories or projects"
_CLAUDE = "Claude"
_OTHER = "another file of the export"
_SHAPE = "of another shape"
_USERS, _MEMORIES, _PROJECTS, _CHATS, _DESIGN = "users", "memories", "projects", "chats", "design"
_PLACES = {
    _USERS: re.compile(r"(?:.*/)?users\.json"),
    _MEMORIES: re.compile(r"(?:.*/)?memories(?:\.json|/[^/]+\.json)"),
    _PROJECTS: re.compile(r"(?:.*/)?projects(?:\.json|/[^/]+\.json)"),
    _CHATS: re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json"),
    _DESIGN: re.compile(r"(?:.*/)?design_chats/[^/]+\.json"),
}
"""Where an export keeps what, below its top."""
_SIGNS = {
    _MEMORIES: re.compile(rb'"(?:conversations_memory|project_memories|memory_files)"'),
    _PROJECTS: re.compile(rb'"(?:prompt_template|docs)"'),
    _CHATS: re.compile(rb'"chat_messages"'),
    _DESIGN: re.compile(rb'"messages"'),
}
"""What stands near the beginning of such a file."""
_DEEPEST = 4
_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}


def recognises(path: Path) -> bool:
    """Tell whether a zip, a folder or a file is an export of Claude.ai, or one of its parts."""
    try:
        with opened(path, deepest=1, sought=_named) as bundle:
            return any(
                _SIGNS[about].search(entry.head())
                for entry in bundle.entries[:5000]
                if (about := _about(entry)) in _SIGNS and entry.name.count("/") < _DEEPEST
            )
    except (Invalid, OSError, ValueError):
        return False


def _about(entry: Entry) -> str:
    """Return what a file of an export is about; empty for another one."""
    named = _named(entry.name)
    if named or not entry.alone:
        return named
    # A browser names a second download another way.
    head = entry.head()
    return next((about for about in (_CHATS, _MEMORIES) if _SIGNS[about].search(head)), "")


def _named(place: str) -> str:
    """Return what a file in such a place of an export is about; empty for another one."""
    return next((about for about, own in _PLACES.items() if own.fullmatch(place)), "")


@dataclass
class _Reading:
    """One export while it is read."""

    space: str
    people: dict[str, str] = field(default_factory=dict)
    """The names of the accounts by their ids."""
    projects: dict[str, str] = field(default_factory=dict)
    """The names of the projects by their ids."""
    fit: bool = False
    """Whether anything had a shape that is known."""


def read(path: Path, choices: Choices) -> Told:
    """Yield what Claude remembers, the projects' texts, and every turn of the conversations."""
    reading = _Reading(choices.space or PERSONAL)
    with opened(path) as bundle:
        _names(bundle, reading)
        yield from bundle.refused
        for about, told in _READERS.items():
            for entry in bundle.entries:
                if _about(entry) == about:
                    yield from _entries(entry, told, reading)
        for entry in bundle.entries:
            if _about(entry) not in _READERS:
                yield Skipped(entry.name, "the account's own data" if _about(entry) else _OTHER)
    if not reading.fit:
        raise Invalid(str(path), f"has another shape; expected {EXPECTED}")


def _names(bundle: Bundle, reading: _Reading) -> None:
    """Learn the names that the rest of an export only numbers."""
    for entry in bundle.entries:
        about = _about(entry)
        if about not in (_USERS, _PROJECTS):
            continue
        known = reading.people if about == _USERS else reading.projects
        with entry.open() as file:
            for value in records(file, entry.where, EXPECTED):
                told = mapping(value)
                known[name(told.get("uuid"))] = name(told.get("full_name") or told.get("name"))


def _entries(
    entry: Entry, told: Callable[[dict[str, Any], str, _Reading], Told], reading: _Reading
) -> Told:
    """Yield what the objects of one file tell."""
    with entry.open() as file:
        for number, value in enumerate(records(file, entry.where, EXPECTED), start=1):
            place = f"{entry.name}, entry {number}"
            if isinstance(value, dict):
                yield from told(value, place, reading)
            else:
                yield Skipped(place, f"an entry {_SHAPE}")
        reading.fit = reading.fit or entry.head().strip() == b"[]"


def _memories(told: dict[str, Any], place: str, reading: _Reading) -> Told:
    """Yield what Claude remembers of the person and for each project, paragraph by paragraph."""
    known = told.keys() & {"conversations_memory", "project_memories", "memory_files"}
    if not known:
        yield Skipped(place, f"an entry {_SHAPE}")
        return
    reading.fit = True
    space = reading.space
    if "conversations_memory" in told:
        yield from paragraphs(told["conversations_memory"], f"{place}, memory", space, {})
    for id, text in mapping(told.get("project_memories")).items():
        project = reading.projects.get(name(id), "")
        of_it = {"project": project, "project_id": name(id)}
        where = f"{place}, project {name(id)}"
        yield from paragraphs(text, where, space, of_it, named=(project,))
    for number, each in enumerate(sequence(told.get("memory_files")), start=1):
        kept = mapping(each)
        of_it = {"file": name(kept.get("path"), 1000)}
        at = moment(kept.get("updated_at"))
        where = f"{place}, memory file {number}"
        yield from paragraphs(kept.get("content"), where, space, of_it, at=at)


def _project(told: dict[str, Any], place: str, reading: _Reading) -> Told:
    """Yield a project's description, its instructions and its documents."""
    title = name(told.get("name"))
    if not told.keys() & {"docs", "prompt_template", "description"}:
        yield Skipped(place, f"an entry {_SHAPE}")
        return
    reading.fit = True
    at = moment(told.get("created_at"))

    def kept(
        text: object, kind: str, where: str, at: datetime | None, **about: object
    ) -> Item | Skipped:
        told_ = metadata(project=title, project_id=name(told.get("uuid")), **about)
        return found(
            Draft(
                words(text).strip(),
                kind=kind,
                tags=tags([title]),
                space=reading.space,
                created_at=exactly(at),
                metadata=told_,
            ),
            f"{place}, {where}",
            f"a project's {where.partition(' ')[0]} without words",
        )

    about_it = words(told.get("description")).strip()
    yield kept(about_it and f"{title}: {about_it}", "reference", "description", at)
    yield kept(told.get("prompt_template"), "preference", "instructions", at)
    for number, each in enumerate(sequence(told.get("docs")), start=1):
        doc = mapping(each)
        file, made = name(doc.get("filename")), moment(doc.get("created_at"))
        yield kept(doc.get("content"), "document", f"document {number}", made, file=file)


def _conversation(told: dict[str, Any], place: str, reading: _Reading) -> Told:
    """Yield the turns of a conversation: those of the branch that it ended with."""
    messages = yield from _messages(told, "chat_messages", place, reading)
    person = reading.people.get(name(mapping(told.get("account")).get("uuid")), "")
    talk = _chat(told, "name", person, reading)
    began = moment(told.get("created_at"))
    seen_last = _branch(messages)
    for number, value in enumerate(messages, start=1):
        yield from _message(value, talk, began, f"{place}, turn {number}", seen_last)


def _messages(
    told: dict[str, Any], key: str, place: str, reading: _Reading
) -> Generator[Skipped, None, list[object]]:
    """Yield why a conversation has no messages where it has none; returns them."""
    messages = told.get(key)
    if not isinstance(messages, list):
        yield Skipped(place, f"a conversation {_SHAPE}")
        return []
    reading.fit = True
    if not messages:
        yield Skipped(place, "an empty conversation")
    return messages


def _branch(messages: list[object]) -> frozenset[str]:
    """Return the ids of the branch that ends with the last message; empty where none is told of."""
    told = [mapping(each) for each in messages]
    if not told or not all("parent_message_uuid" in each for each in told):
        return frozenset()
    parents = {name(each.get("uuid")): name(each.get("parent_message_uuid")) for each in told}
    return branch(parents, name(told[-1].get("uuid")))


def _chat(told: dict[str, Any], title: str, person: str, reading: _Reading) -> Chat:
    project = name(mapping(told.get("project")).get("name"))
    about = {"title": name(told.get(title)), "project": project}
    return Chat(name(told.get("uuid")), _CLAUDE, person, reading.space, about)


def _message(
    value: object, talk: Chat, began: datetime | None, place: str, kept: frozenset[str]
) -> Told:
    """Yield a message as a turn, and what is attached to it as skipped."""
    if not isinstance(value, dict):
        yield Skipped(place, f"a turn {_SHAPE}")
        return
    for number, _ in enumerate(sequence(value.get("attachments")), start=1):
        yield Skipped(f"{place}, attachment {number}", "an attached file")
    role = _ROLES.get(name(value.get("sender")))
    if kept and name(value.get("uuid")) not in kept:
        yield Skipped(place, chat.LEFT)
    elif role is None:
        yield Skipped(place, chat.OWN)
    else:
        text, empty = _text(value)
        yield talk.turn(role, text, moment(value.get("created_at")) or began, place, empty)


def _text(value: dict[str, Any]) -> tuple[str, str]:
    """Return what a message says in words, and what it is where it says nothing."""
    blocks = [mapping(each) for each in sequence(value.get("content"))]
    said = [words(each.get("text")).strip() for each in blocks if each.get("type") == "text"]
    if not blocks:
        said = [words(value.get("text")).strip()]
    empty = chat.nothing([name(each.get("type")) for each in blocks])
    if sequence(value.get("files")) and empty == chat.EMPTY:
        empty = chat.IMAGE
    return "\n\n".join(each for each in said if each), empty


def _design(told: dict[str, Any], place: str, reading: _Reading) -> Told:
    """Yield the turns of a chat about a design."""
    messages = yield from _messages(told, "messages", place, reading)
    talk = _chat(told, "title", "", reading)
    began = moment(told.get("created_at"))
    for number, each in enumerate(messages, start=1):
        where = f"{place}, turn {number}"
        value, content = mapping(each), mapping(each).get("content")
        role = _ROLES.get(name(value.get("role")))
        if role is None:
            yield Skipped(where, chat.OWN if value else f"a turn {_SHAPE}")
            continue
        text = content if isinstance(content, str) else mapping(content).get("content")
        talk.person = name(mapping(content).get("authorName"))
        yield talk.turn(role, text, moment(value.get("created_at")) or began, where)


_READERS = {
    _MEMORIES: _memories,
    _PROJECTS: _project,
    _CHATS: _conversation,
    _DESIGN: _design,
}
"""In the order in which it is read: the small files first."""

FORMAT = Format("claude-ai", "Claude.ai's export (zip, its parts, or unpacked)", recognises, read)
