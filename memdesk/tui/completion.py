"""One line to write names in, such as tags: what was begun is completed from those there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from textual.suggester import Suggester
from textual.widgets import Input

from memdesk.tui.keys import LINE_KEYS
from memdesk.tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.binding import BindingType

_BEFORE = '#- "'
"""What may stand before a name that is completed: a # to show it is a tag, a - to take it away."""

RULE = 'Separated by blanks or commas; one of several words in "quotes".'
"""How names are told apart on one line."""
_NAME = re.compile(r'(?P<before>[-#]*)"(?P<words>[^"]*)"|[^\s,]+')
_BEGUN = re.compile(r'(?:^|[\s,])([-#]*"[^"]*|[^\s,"]*)$')


def names_of(line: str) -> tuple[str, ...]:
    """Return the names on a line, between blanks or commas; those in quotes may have either.

    A # before a name is only a way of writing it.
    """
    found = (
        f"{each['before']}{each['words']}" if each["words"] is not None else each[0]
        for each in _NAME.finditer(line)
    )
    names = (" ".join(name.split()).lstrip("# ") for name in found)
    return tuple(dict.fromkeys(name for name in names if name))


def line_of(names: Iterable[str]) -> str:
    """Return the line on which `names_of` reads these names; one with a quote in it has no such line."""
    shown = (one_line(name) for name in names)
    return " ".join(f'"{name}"' if set(name) & set(" ,") else name for name in shown)


class NameSuggester(Suggester):
    """Completes a name, or the last one of several."""

    def __init__(self, names: Sequence[str], *, several: bool) -> None:
        """`names` are those there are, the likeliest first."""
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = tuple(dict.fromkeys(shown for name in names if (shown := one_line(name))))
        self._several = several

    def candidates(self, value: str) -> list[str]:
        """Return the names that what was begun last may become."""
        begun = self._begun(value)
        there = {name.casefold() for name in names_of(value)} if self._several else set()
        wanted = begun.casefold()
        return [
            name
            for name in self._names
            if name.casefold().startswith(wanted)
            and (name.casefold() not in there or name.casefold() == wanted)
        ]

    def _begun(self, value: str) -> str:
        if not self._several:
            return value
        begun = _BEGUN.search(value)
        return begun[1].lstrip(_BEFORE) if begun else ""

    async def get_suggestion(self, value: str) -> str | None:
        """Return the line with its last name completed."""
        begun = self._begun(value)
        if not begun:
            return None
        for name in self.candidates(value):
            # What is written may be shorter or longer folded, and the rest would be cut wrongly.
            if len(name) > len(begun) and name[: len(begun)].casefold() == begun.casefold():
                return value[: len(value) - len(begun)] + name
        return None


class NameInput(Input):
    """A line of names; tab and the right arrow take the completion."""

    BINDINGS: ClassVar[list[BindingType]] = [*LINE_KEYS]

    def __init__(
        self,
        value: str = "",
        *,
        names: Sequence[str] = (),
        several: bool = False,
        placeholder: str = "",
        id: str | None = None,
    ) -> None:
        """`names` are those there are, the likeliest first; `several` allows more than one."""
        self.names = NameSuggester(names, several=several)
        super().__init__(
            one_line(value),
            placeholder=placeholder,
            suggester=self.names,
            select_on_focus=False,
            compact=True,
            id=id,
        )
        self.cursor_blink = False

    def action_complete(self) -> None:
        """Take the completion; without one, go on to what comes next."""
        if self.cursor_at_end and self._suggestion:
            self.action_cursor_right()
        else:
            self.screen.focus_next()
