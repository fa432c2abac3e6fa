"""What one AI host may do and see, as the person has said it; standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from memdesk.memory import PERSONAL


@dataclass(frozen=True, slots=True)
class HostRules:
    """What one AI host may do and see; a new one may do everything."""

    read_only: bool = False
    """Whether it may recall and not change."""
    paused: bool = False
    """Whether it gets nothing at all for now."""
    spaces: tuple[str, ...] | None = None
    """The spaces it may see and save into besides `personal`; None for every one."""
    personal: bool = True
    """Whether it may see `personal` and save into it."""

    def sees(self, space: str) -> bool:
        """Tell whether the host may see a space."""
        if space == PERSONAL:
            return self.personal
        return self.spaces is None or space in self.spaces
