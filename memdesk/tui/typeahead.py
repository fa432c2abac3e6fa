"""Keys that arrive faster than the screen changes: each goes where the key before it leads.

Textual hands a key to what has the focus when it arrives. Over a slow line several arrive at once:
the second would still go to the list although the first has opened a dialog, where it was meant for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from textual.events import Key

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget


class TypeAhead:
    """Keeps keys while a dialog is on its way, and sends on those that were aimed at what has lost the focus."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._aimed: WeakKeyDictionary[Key, Widget | None] = WeakKeyDictionary()
        self._kept: list[Key] | None = None

    def aim(self, key: Key) -> None:
        """Take note of what a key that has just arrived goes to."""
        self._aimed[key] = self._app.focused

    def keep(self) -> None:
        """Keep the keys from here on: a dialog is on its way."""
        if self._kept is None:
            self._kept = []

    def release(self) -> None:
        """Give the keys that were kept to what has the focus now."""
        kept, self._kept = self._kept or (), None
        for key in kept:
            self._send(key)

    def takes(self, key: Key) -> bool:
        """Tell whether a key that nothing has used is kept or sent on, instead of acting here."""
        if key not in self._aimed:
            return False
        aimed = self._aimed.pop(key)
        if self._kept is not None:
            self._kept.append(key)
        elif aimed is not self._app.focused and self._app.focused is not None:
            self._send(key)
        else:
            return False
        return True

    def _send(self, key: Key) -> None:
        target = self._app.focused or self._app.screen
        again = Key(key.key, key.character)
        again._sender = None  # noqa: SLF001 - else it would bubble no further than to who sent it
        target._forward_event(again)  # noqa: SLF001 - as the App does
