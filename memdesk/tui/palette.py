"""The palette's actions: found by their names, and by the words that say what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Provider

from memdesk.tui.plain import content

if TYPE_CHECKING:
    from textual.command import Hits

_BY_WORDS = 0.01
"""The score of an action that is found by what it does: after those found by their names."""


class ActionCommands(Provider):
    """Gives the palette every action that makes sense where one is."""

    async def discover(self) -> Hits:
        """Yield all of them, by their names."""
        for name, about, verb, _ in sorted(
            self.app.get_system_commands(self.screen), key=lambda each: each.title
        ):
            yield DiscoveryHit(content(name), verb, name, about)

    async def search(self, query: str) -> Hits:
        """Yield those whose names match, and after them those whose words have what was typed."""
        matcher, typed = self.matcher(query), query.strip().casefold()
        for name, about, verb, _ in self.app.get_system_commands(self.screen):
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), verb, name, about)
            elif typed and typed in about.casefold():
                yield Hit(_BY_WORDS, content(name), verb, name, about)
