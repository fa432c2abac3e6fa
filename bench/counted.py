"""The desk, with its searches counted: writes how many were under way at once, and how many in all.

`python -m bench.counted FILE`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from memdesk.cli.root import open_service
from memdesk.tui.app import MemdeskApp

if TYPE_CHECKING:
    from memdesk.answers import Recalled
    from memdesk.service import Service


class Counted:
    """A service that counts its recalls."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._counting = threading.Lock()
        self._now = 0
        self.most = 0
        self.all = 0

    def recall(self, query: str, **more: Any) -> Recalled:
        """Count, and ask."""
        with self._counting:
            self._now += 1
            self.all += 1
            self.most = max(self.most, self._now)
        try:
            return self._service.recall(query, **more)
        finally:
            with self._counting:
                self._now -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)


def main(file: Path) -> int:
    """Show the desk; write the counts when it is left."""
    made: list[Counted] = []

    def opened() -> Service:
        made.append(Counted(open_service()))
        return cast("Service", made[-1])

    app = MemdeskApp(opened)
    app.run()
    file.write_text(f"{made[0].most} {made[0].all}\n", encoding="utf-8")
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
