"""The keys of a person's settings: which can be used, and what is wrong with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.keys import Keys, _character_to_key

from memdesk.tui.keys import GROUPS
from memdesk.tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from textual.binding import Binding

_CHARACTERS = (_character_to_key(chr(code)) for code in range(ord(" "), 0x7F))
_NAMES = frozenset({*(key.value for key in Keys), *_CHARACTERS})
_MODIFIERS = frozenset({"ctrl", "shift", "alt", "super", "hyper", "meta"})
_PANES = ("the search", "the list", "the browse pane", "the memory")
_EVERYWHERE = ("everywhere", "the desk")
"""What works together with the keys of each pane."""


def checked(keys: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the keys that can be used, by the ids of their bindings, and what is wrong with the rest."""
    known = {binding.id for group in GROUPS.values() for binding in group}
    usable: dict[str, str] = {}
    troubles: list[str] = []
    for id, told in keys.items():
        wrong = [each for each in told.split(",") if not _is_key(each.strip())]
        if id not in known:
            troubles.append(f"keys.{one_line(id)} is no key of the desk; the README lists them.")
        elif wrong:
            troubles.append(f"keys.{id}: “{one_line(wrong[0])}” is no key.")
        else:
            usable[id] = told
    return usable, [*troubles, *dict.fromkeys(_clashes(usable))]


def _is_key(name: str) -> bool:
    *modifiers, last = name.split("+") if len(name) > 1 else [name]
    known = len(last) == 1 or {name, last} & _NAMES
    return set(modifiers) <= _MODIFIERS and bool(known)


def _clashes(usable: Mapping[str, str]) -> Iterator[str]:
    """Yield which keys have two meanings in one place since the settings gave one of them."""
    for where, group in GROUPS.items():
        shared = [each for name in _EVERYWHERE if where in _PANES for each in GROUPS[name]]
        together = [*shared, *group]
        for place, one in enumerate(together):
            for other in together[place + 1 :]:
                anew = _keys(one, usable) & _keys(other, usable)
                for key in sorted(anew - (_keys(one, {}) & _keys(other, {}))):
                    yield f"“{one_line(key)}” is the key of {one.id} and of {other.id}."


def _keys(binding: Binding, usable: Mapping[str, str]) -> set[str]:
    return {key.strip() for key in usable.get(binding.id or "", binding.key).split(",")}
