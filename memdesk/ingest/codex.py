"""Codex's sessions: what the person and Codex said.

Tool calls and their output, reasoning, subagents and what the program itself puts in are skipped.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from memdesk.ingest import chat, transcripts
from memdesk.ingest.bundle import HEAD, Entry, opened
from memdesk.ingest.chat import Chat
from memdesk.ingest.item import Choices, Format, Item, Skipped
from memdesk.ingest.paper import head
from memdesk.ingest.streamed import Unread, lines
from memdesk.ingest.values import mapping, moment, name, sequence, words
from memdesk.memory import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime
    from pathlib import Path

    Told = Iterator[Item | Skipped]

EXPECTED = "Codex's sessions: files named rollout-….jsonl, such as below ~/.codex/sessions"
_PATTERNS = tuple("*/" * depth + "rollout-*.jsonl" for depth in range(5))
_FILE = re.compile(r"(?:.*/)?rollout-[^/]+\.jsonl")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\.jsonl)")
_ENVELOPES = {"session_meta", "response_item", "event_msg", "turn_context", "compacted"}
_NO_TURN = "a line that is no turn"
_INJECTED = re.compile(
    r"<(?:environment_context|user_instructions|turn_aborted|permissions[ _]instructions|skills?|"
    r"collaboration_mode|user_shell_command|subagent_notification|personality_spec|INSTRUCTIONS)\b"
    r"|# AGENTS\.md instructions"
)
"""How a text begins that the program has written in the person's name."""
_KINDS = {
    "reasoning": chat.THINKING,
    "function_call": chat.TOOL_CALL,
    "custom_tool_call": chat.TOOL_CALL,
    "local_shell_call": chat.TOOL_CALL,
    "web_search_call": chat.TOOL_CALL,
    "function_call_output": chat.TOOL_OUTPUT,
    "custom_tool_call_output": chat.TOOL_OUTPUT,
    "compaction": chat.SUMMARY,
    "compacted": chat.SUMMARY,
}
_MARK_BYTES = 8


def recognises(path: Path) -> bool:
    """Tell whether a file, or a folder such as ~/.codex, holds its sessions."""
    return transcripts.any_of(path, _PATTERNS, _is_one)


def _is_one(path: Path) -> bool:
    """Tell whether the first line of a file begins a session."""
    begins = head(path, HEAD)
    try:
        value = json.loads(begins.split(b"\n")[0])
    except (ValueError, RecursionError):
        # The first line holds the program's instructions and may be long.
        return bool(re.match(rb'\{"timestamp":"[^"]{1,40}","type":"session_meta"', begins))
    return _begins(mapping(value), path.name)


def _begins(told: dict[str, Any], file: str) -> bool:
    """Tell whether a first line is a session's: of today's shape, or as it was before."""
    if told.get("type") == "session_meta":
        return isinstance(told.get("payload"), dict)
    return bool(_FILE.fullmatch(file)) and {"id", "timestamp"} <= told.keys()


@dataclass
class _Session:
    """One session while it is read."""

    talk: Chat
    space: str | None
    """As the person has chosen; None for the repository's."""
    turns: dict[str, bytearray]
    """Marks of the turns of every session, by its id."""
    own: bytearray | None = None
    """Of this one's; None before its own first line."""
    parent: bytes | bytearray = b""
    """Of the one that it begins as a copy of."""
    fit: bool = False
    began: datetime | None = None
    """What is taken where a line has no time."""
    side: bool = False
    """Whether it is a subagent's."""


def read(path: Path, choices: Choices) -> Told:
    """Yield the turns of each session."""
    fit, turns = False, dict[str, bytearray]()
    with opened(path) as bundle:
        yield from bundle.refused
        for entry in bundle.entries:
            if path.is_file() or _FILE.fullmatch(entry.name):
                session = yield from _rollout(entry, choices, turns)
                fit = fit or session.fit
    if not fit:
        raise transcripts.none_there(path, EXPECTED)


def _rollout(
    entry: Entry, choices: Choices, turns: dict[str, bytearray]
) -> Generator[Item | Skipped, None, _Session]:
    """Yield the turns of one file; returns what was learned of it."""
    id = _ID.search(entry.base)
    talk = Chat(id[0] if id else entry.base.removesuffix(".jsonl"), "Codex")
    talk.space = choices.space or PERSONAL
    session = _Session(talk, choices.space, turns)
    with entry.open() as file:
        for number, value in lines(file):
            place = f"{entry.name}, line {number}"
            if isinstance(value, Unread):
                yield Skipped(place, value.reason)
            else:
                yield _line(mapping(value), session, number, place)
    return session


def _line(told: dict[str, Any], session: _Session, number: int, place: str) -> Item | Skipped:
    """Return a line as a turn, or why it is none."""
    type_ = name(told.get("type"))
    payload = told.get("payload")
    if type_ == "session_meta" or (
        number == 1 and {"id", "timestamp"} <= told.keys() and not type_
    ):
        session.fit = True
        _meta(mapping(payload) or told, session)
        return Skipped(place, _NO_TURN)
    session.fit = session.fit or (type_ in _ENVELOPES and isinstance(payload, dict))
    if type_ in _ENVELOPES and type_ != "response_item":
        return Skipped(place, _KINDS.get(type_, _NO_TURN))
    # Before it had envelopes, a line was the item itself.
    item = mapping(payload) if type_ == "response_item" else told
    return _item(item, session, moment(told.get("timestamp")) or session.began, place)


def _meta(told: dict[str, Any], session: _Session) -> None:
    """Learn where a session was held, and by whom: of a fork's first lines the first is its own."""
    if session.own is not None:
        session.parent = session.parent or session.turns.get(name(told.get("id")), b"")
        return
    git = mapping(told.get("git"))
    folder = name(told.get("cwd"), 1000)
    source = told.get("source")
    session.began = moment(told.get("timestamp"))
    session.side = isinstance(source, dict) and "subagent" in source
    session.talk.session = name(told.get("id")) or session.talk.session
    session.talk.told = {"folder": folder, "branch": name(git.get("branch"))}
    session.parent = session.turns.get(name(told.get("forked_from_id")), b"")
    session.own = session.turns[session.talk.session] = bytearray()
    if session.space is None:
        kept = transcripts.repository(folder) or transcripts.remote(git.get("repository_url"))
        session.talk.space = kept or PERSONAL


def _item(
    item: dict[str, Any], session: _Session, at: datetime | None, place: str
) -> Item | Skipped:
    """Return what was said or done as a turn, or why it is none."""
    type_, role = name(item.get("type")), name(item.get("role"))
    if type_ != "message":
        return Skipped(place, _KINDS.get(type_, _NO_TURN))
    session.fit = True
    if session.side:
        return Skipped(place, chat.SIDE)
    if role not in ("user", "assistant"):
        return Skipped(place, chat.OWN)
    blocks = [mapping(each) for each in sequence(item.get("content"))]
    told = [words(each.get("text")).strip() for each in blocks]
    said = [each for each in told if each and not _INJECTED.match(each)]
    nothing = chat.nothing([name(each.get("type")) for each in blocks])
    empty = chat.OWN if any(told) else nothing
    return _once(session.talk.turn(role, "\n\n".join(said), at, place, empty), session)


def _once(turn: Item | Skipped, session: _Session) -> Item | Skipped:
    """Return a turn, skipped where it is still one of those that a fork begins with."""
    if isinstance(turn, Skipped) or session.own is None:
        return turn
    said = f"{turn.draft.role} {turn.draft.text}"
    mark, at = blake2b(said.encode(), digest_size=_MARK_BYTES).digest(), len(session.own)
    session.own += mark
    if session.parent[at : at + _MARK_BYTES] == mark:
        return Skipped(turn.place, chat.COPY)
    session.parent = b""
    return turn


FORMAT = Format("codex", "Codex's sessions (~/.codex/sessions)", recognises, read)
