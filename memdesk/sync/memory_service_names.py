"""Whose words are whose: mcp-memory-service has one memory of the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.sync.memory_service_note import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memdesk.remotes import Clock
    from memdesk.sync.peer import Desk, Due


class Names:
    """The names that memories of a batch want, asked for in its order."""

    def __init__(self, dues: Sequence[Due], desk: Desk) -> None:
        wanted = [name_of(due.memory.text) for due in dues if not due.deletes]
        self._holders = {ref: sent.id for ref, sent in desk.by_ref(wanted).items() if sent.digest}
        self._freed: dict[str, Clock] = {}

    def refusal(self, due: Due) -> str:
        """Return why a memory cannot have its name; empty where it can, and has it from now on."""
        old = due.sent.ref if due.sent and due.sent.digest else ""
        ref = "" if due.deletes else name_of(due.memory.text)
        holder = self._holders.get(ref, due.id)
        if ref and holder != due.id:
            return (
                f"memory {holder} has the same words but for case and outer space, and that server "
                "keeps such as one; change the words of one of them"
            )
        if ref in self._freed and self._freed[ref][:2] >= due.clock[:2]:
            return (
                "the same words are deleted there by a later change; change this memory once more"
            )
        if old and old != ref:
            self._freed[old] = due.clock
            self._holders.pop(old, None)
        if ref:
            self._holders[ref] = due.id
        return ""
