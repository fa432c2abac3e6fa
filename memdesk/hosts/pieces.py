"""What memdesk puts into a host's files: each piece knows how it stands in a text, and only that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from memdesk.hosts import json_entry, toml_entry
from memdesk.hosts.command import arguments
from memdesk.hosts.known import TOML
from memdesk.hosts.unusable import Unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from memdesk.hosts.known import Host

NAME = "memdesk"
"""What hosts call our server."""
_SERVE = "mcp"
_SPACE = "--space"


class Piece(Protocol):
    """Something of ours in the text of a file. All methods raise `Unusable`."""

    @property
    def what(self) -> str:
        """What it is, in words."""

    @property
    def whole(self) -> bool:
        """Whether the whole file is ours, and its folder."""

    def put(self, text: str, known: str, /) -> str:
        """Return the text with it; `known` is what was put in before, as far as one knows."""

    def take(self, text: str, made: bool, /) -> str:
        """Return the text without it, and without what was `made` to hold it."""

    def stands(self, text: str) -> bool:
        """Tell whether it, or an older one of ours, is in the text."""

    def held(self, text: str, /) -> bool:
        """Tell whether what holds it is in the text: the table of servers, the list of hooks."""

    def alone(self, text: str) -> bool:
        """Tell whether nothing is in the text that anybody would miss."""

    def same(self, before: str, after: str) -> bool:
        """Tell whether two texts say the same beside it."""

    def masked(self, text: str) -> str:
        """Return the text without other people's keys, to show it."""

    def snippet(self) -> str:
        """Return what to put in by hand."""


@dataclass(frozen=True, slots=True)
class Server:
    """The entry by which a host starts memdesk."""

    host: Host
    command: Sequence[str] = ()
    """The program and its arguments, the program by its absolute path."""
    env: Mapping[str, str] | None = None
    space: str | None = None

    @property
    def what(self) -> str:
        """What it is, in words."""
        return "its server"

    @property
    def whole(self) -> bool:
        """Whether the whole file is ours."""
        return False

    def put(self, text: str, _known: str, /) -> str:
        """Return the text with the entry; what others have added to an older one of ours stays."""
        there = self._there(text)
        entry = self._entry(there or {})
        return text if entry == there else str(self._form.put(text, self._path, entry))

    def take(self, text: str, made: bool, /) -> str:
        """Return the text without the entry, and the table around it if it was `made` for it."""
        self._there(text)
        return str(self._form.take(text, self._path, made))

    def stands(self, text: str) -> bool:
        """Tell whether anything has our name there."""
        return bool(text.strip()) and self._form.value(text, self._path) is not None

    def held(self, text: str) -> bool:
        """Tell whether the table of servers is there."""
        return bool(text.strip()) and self._form.value(text, self._path[:-1]) is not None

    def alone(self, text: str) -> bool:
        """Tell whether nothing is in the text."""
        return bool(self._form.is_empty(text))

    def same(self, before: str, after: str) -> bool:
        """Tell whether two texts say the same beside the entry."""
        return bool(self._form.same_but(before, after, self._path))

    def masked(self, text: str) -> str:
        """Return the text with the values of all others hidden."""
        return str(self._form.masked(text, self._path))

    def snippet(self) -> str:
        """Return the entry as one puts it in by hand."""
        return str(self._form.put("", self._path, self._entry({}))).rstrip()

    @property
    def _form(self) -> ModuleType:
        return toml_entry if self.host.form == TOML else json_entry

    @property
    def _path(self) -> tuple[str, str]:
        return self.host.key, NAME

    def _there(self, text: str) -> dict[str, Any] | None:
        there = self._form.value(text, self._path) if text.strip() else None
        if there is None:
            return None
        if not isinstance(there, dict) or "command" not in there:
            raise Unusable(f"has another kind of server under the name “{NAME}”")
        if _SERVE not in (arguments(_words(there)) or ()):
            raise Unusable(f"has another server under the name “{NAME}”")
        return there

    def _entry(self, there: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry, made of the one that is there."""
        env = there.get("env")
        entry: dict[str, Any] = {"type": self.host.typed} if self.host.typed else {}
        entry |= {"command": self.command[0], "args": self._args(there)}
        entry |= {"env": (env if isinstance(env, dict) else {}) | dict(self.env or {})}
        entry |= {"tools": there.get("tools", ["*"])} if self.host.all_tools else {}
        return {**there, **entry} if there else entry

    def _args(self, there: Mapping[str, Any]) -> list[str]:
        """Return the arguments: the switches that follow `mcp` in an entry stay, but for its space."""
        old = _words(there)
        switches = old[old.index(_SERVE) + 1 :] if there else []
        return [*self.command[1:], *(_placed(switches, self.space) if self.space else switches)]


def _words(there: Mapping[str, Any]) -> list[str]:
    """Return the command of an entry with its arguments."""
    command = there.get("command")
    if isinstance(command, dict):  # Zed's older shape
        there, command = command, command.get("path")
    args = there.get("args")
    return [str(command), *(map(str, args) if isinstance(args, list) else ())]


def _placed(switches: Sequence[str], space: str) -> list[str]:
    """Return a server's switches with a space in the place of any other."""
    kept, words = [], iter(switches)
    for word in words:
        if word == _SPACE:
            next(words, None)
        elif not word.startswith(f"{_SPACE}="):
            kept.append(word)
    return [*kept, _SPACE, space]
