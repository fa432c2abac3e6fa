"""ChatGPT's export: each conversation a tree, whose branch that was on the screen last is read.

There is no list of what ChatGPT remembers in it; what is told of that stands in the conversations: the
notes it made (to “bio”), the list it was given, and the person's own instructions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memdesk.errors import Invalid
from memdesk.ingest import chat
from memdesk.ingest.bundle import Entry, opened
from memdesk.ingest.chat import Chat
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.streamed import parts, records
from memdesk.ingest.tree import branch
from memdesk.ingest.values import (
    exactly,
    found,
    mapping,
    metadata,
    moment,
    name,
    sequence,
    words,
)
from memdesk.memory import PERSONAL, Draft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    Told = Iterator[Item | Skipped]

EXPECTED = "ChatGPT's export: a list of conversations, each with a “mapping”"
_CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json")
_MEMORIES = re.compile(r"(?:.*/)?memories\.json")
_NODES = re.compile(rb'"mapping"\s*:\s*\{\s*"[^"]{1,100}"\s*:\s*\{\s*"id"')
"""What tells a file of any name."""
_SIGN = re.compile(rb'"mapping"\s*:\s*\{')
_HIDDEN = "a hidden turn"
_MARKS = re.compile("\ue200[^\ue201]{0,2000}\ue201|[\ue200-\ue206]")
"""What stands for a source where the browser draws a link; nobody can follow it in a text."""
_LISTED = re.compile(r"^[^\S\n]*\d{1,4}\.\s*(?:\[(\d{4}-\d{2}-\d{2})\]\.?\s*)?", re.MULTILINE)
"""How the list of what it remembers numbers and dates its lines."""
_SAID = {"text", "multimodal_text"}
_SPOKEN = "audio_transcription"
_THOUGHT = {"thoughts", "reasoning_recap"}
_TITLE = re.compile(r"\A#[^\n]*\n")


def recognises(path: Path) -> bool:
    """Tell whether a zip, a folder or a file is an export of ChatGPT."""
    try:
        with opened(path, deepest=1, sought=_CONVERSATIONS.fullmatch) as bundle:
            return any(
                _SIGN.search(entry.head())
                for entry in bundle.entries[:5000]
                if _holds_conversations(entry)
            )
    except (Invalid, OSError, ValueError):
        return False


def _holds_conversations(entry: Entry) -> bool:
    """Tell so by a file's name; by its beginning where a person has named it, as a browser renames it."""
    named = _CONVERSATIONS.fullmatch(entry.name)
    return bool(named or (entry.alone and _NODES.search(entry.head())))


@dataclass
class _Reading:
    """One export while it is read."""

    space: str
    fit: bool = False
    """Whether anything had a shape that is known."""


def read(path: Path, choices: Choices) -> Told:
    """Yield every turn of the conversations, and what ChatGPT remembers where they tell of it."""
    reading = _Reading(choices.space or PERSONAL)
    with opened(path) as bundle:
        yield from bundle.refused
        for entry in bundle.entries:
            if _holds_conversations(entry):
                yield from _conversations(entry, reading)
            elif _MEMORIES.fullmatch(entry.name):
                yield from _memories(entry, reading)
            else:
                yield Skipped(entry.name, "another file of the export")
    if not reading.fit:
        raise Invalid(str(path), f"has another shape; expected {EXPECTED}")


def _conversations(entry: Entry, reading: _Reading) -> Told:
    with entry.open() as file:
        for number, value in enumerate(records(file, entry.where, EXPECTED), start=1):
            place = f"{entry.name}, conversation {number}"
            if isinstance(mapping(value).get("mapping"), dict):
                reading.fit = True
                yield from _conversation(value, place, reading.space)
            else:
                yield Skipped(place, "a conversation of another shape")
    reading.fit = reading.fit or entry.head().strip() == b"[]"


def _conversation(told: dict[str, Any], place: str, space: str) -> Told:
    """Yield the turns from the first one to the one that was on the screen last."""
    nodes = {name(key): mapping(each) for key, each in told["mapping"].items()}
    path = _path(nodes, name(told.get("current_node")))
    if not any(each.get("message") for each in nodes.values()):
        yield Skipped(place, "an empty conversation")
    id = name(told.get("conversation_id") or told.get("id"))
    talk = Chat(id, "ChatGPT", space=space, told={"title": name(told.get("title"))})
    began = moment(told.get("create_time"))
    for id in path:
        if nodes[id].get("message"):
            yield from _message(nodes[id]["message"], talk, began, f"{place}, node {id}")
    on_it = set(path)
    for id, node in nodes.items():
        if id not in on_it and node.get("message"):
            yield Skipped(f"{place}, node {id}", chat.LEFT)


def _path(nodes: dict[str, dict[str, Any]], last: str) -> list[str]:
    """Return the ids of the branch that ends with the current node, in order.

    Where that is none, the one that ends with the last message; where the tree is broken, all of it.
    """
    parents = {id: name(node.get("parent")) for id, node in nodes.items()}
    if last not in nodes:
        told = [id for id, node in nodes.items() if node.get("message")]
        last = told[-1] if told else ""
    ids = branch(parents, last)
    if not ids:
        return list(nodes)
    path = [last]
    while parents[path[-1]] in ids:
        path.append(parents[path[-1]])
    return path[::-1]


def _message(value: object, talk: Chat, began: datetime | None, place: str) -> Told:
    """Yield a message as a turn, or what it remembers as facts."""
    told, content = mapping(value), mapping(mapping(value).get("content"))
    role, type_ = name(mapping(told.get("author")).get("role")), name(content.get("content_type"))
    at = moment(told.get("create_time")) or began
    said, empty = _text(content)
    if type_ == "user_editable_context":
        yield from _instructions(content, talk, at, place)
    elif type_ == "model_editable_context":
        yield from _remembered(content.get("model_set_context"), talk, at, place)
    elif mapping(told.get("metadata")).get("is_visually_hidden_from_conversation") is True:
        yield Skipped(place, _HIDDEN)
    elif role == "tool":
        yield Skipped(place, chat.TOOL_OUTPUT)
    elif role not in ("user", "assistant"):
        yield Skipped(place, chat.OWN)
    elif type_ in _THOUGHT:
        yield Skipped(place, chat.THINKING)
    elif role == "assistant" and name(told.get("recipient")) == "bio":
        yield found(_fact(said, "fact", talk, at), place, chat.EMPTY)
    elif role == "assistant" and name(told.get("recipient")) not in ("", "all"):
        yield Skipped(place, chat.TOOL_CALL)
    else:
        yield talk.turn(role, said, at, place, empty)


def _text(content: dict[str, Any]) -> tuple[str, str]:
    """Return what a message says in words, and what it is where it says nothing."""
    said, empty = [], chat.EMPTY
    for part in sequence(content.get("parts")):
        if isinstance(part, str):
            said.append(_MARKS.sub("", words(part)).strip())
        elif mapping(part).get("content_type") == _SPOKEN:
            said.append(words(mapping(part).get("text")).strip())
        else:
            empty = chat.IMAGE
    if not said and isinstance(content.get("text"), str):
        said = [words(content["text"]).strip()]
    return "\n\n".join(each for each in said if each), empty


def _instructions(content: dict[str, Any], talk: Chat, at: datetime | None, place: str) -> Told:
    """Yield what the person has told ChatGPT once and for all."""
    told = [content.get(key) for key in ("user_profile", "user_instructions")]
    kept = [each for each in told if words(each).strip()]
    if not kept:
        yield Skipped(place, chat.EMPTY)
    for each in kept:
        yield Item(_fact(words(each).strip(), "preference", talk, at), place)


def _remembered(text: object, talk: Chat, at: datetime | None, place: str) -> Told:
    """Yield each line of the list of what it remembers, which came with a conversation."""
    whole = _TITLE.sub("", words(text))
    marks = list(_LISTED.finditer(whole))
    ends = [*(mark.start() for mark in marks[1:]), len(whole)]
    listed = [
        (whole[mark.end() : end].strip(), mark[1]) for mark, end in zip(marks, ends, strict=False)
    ]
    kept = [each for each in listed or [(whole.strip(), None)] if each[0]]
    if not kept:
        yield Skipped(place, chat.EMPTY)
    for said, day in kept:
        yield Item(_fact(said, "fact", talk, moment(day) or at), place)


def _fact(text: str, kind: str, talk: Chat, at: datetime | None) -> Draft:
    return Draft(
        text, kind=kind, space=talk.space, created_at=exactly(at), metadata=metadata(**talk.told)
    )


def _memories(entry: Entry, reading: _Reading) -> Told:
    """Yield the list of memories, as ChatGPT's own page of them is sent."""
    with entry.open() as file:
        for part in parts(file, entry.where, "a list of memories, each with “content”"):
            if not part.number:
                continue
            told, place = mapping(part.value), f"{entry.name}, memory {part.number}"
            text = next(
                (words(told[key]) for key in ("content", "memory", "text") if key in told), ""
            )
            at = moment(told.get("created_at")) or moment(told.get("updated_at"))
            reading.fit = reading.fit or bool(text.strip())
            draft = Draft(text.strip(), kind="fact", space=reading.space, created_at=exactly(at))
            yield found(draft, place, "a memory without words")


FORMAT = Format("chatgpt", "ChatGPT's export (zip or unpacked)", recognises, read)
