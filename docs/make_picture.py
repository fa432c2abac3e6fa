"""Makes docs/desk.png: the desk's own screen on an invented person's memories.

Run by hand, with cairosvg installed beside memdesk: python docs/make_picture.py
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import cairosvg

from memdesk.catalog import BUNDLED
from memdesk.embedder import Embedder
from memdesk.memory import Draft, Source
from memdesk.service import Service
from memdesk.tui.app import MemdeskApp

SIZE = (140, 36)
QUESTION = "what can't I eat"
FILE = Path(__file__).with_name("desk.png")
LIFE = (
    # (hours ago, text, kind, tags, space, host)
    (1700, "Lives in Lisbon since May; moved from Graz", "fact", ("home",), "personal", "claude"),
    (
        1500,
        "Prefers window seats and trains over planes",
        "preference",
        ("travel",),
        "personal",
        "claude",
    ),
    (
        1300,
        "Staging database is reset every Sunday night",
        "fact",
        ("ops",),
        "billing",
        "claude-code",
    ),
    (
        1250,
        "Retries in billing-api must be idempotent: key = invoice_id + attempt",
        "decision",
        ("api",),
        "billing",
        "claude-code",
    ),
    (
        1000,
        "Landlord: Mr. Weiss, calls only, never mails",
        "reference",
        ("home",),
        "personal",
        "claude",
    ),
    (
        800,
        "Learning Portuguese, about A2; wants corrections inline",
        "preference",
        ("learning",),
        "personal",
        "claude",
    ),
    (
        700,
        "Deploys on Tuesday mornings; never on Fridays after 14:00",
        "decision",
        ("ops",),
        "billing",
        "cursor",
    ),
    (
        500,
        "Coffee: V60, 15 g to 250 ml, 94 degrees",
        "preference",
        ("kitchen",),
        "personal",
        "claude",
    ),
    (
        320,
        "Tests first when fixing bugs; name them test_<symptom>",
        "preference",
        ("python",),
        "billing",
        "claude-code",
    ),
    (
        200,
        "Writing a talk on local-first software for PyCon; outline in notes/talk.md",
        "task",
        ("talk",),
        "personal",
        "claude",
    ),
    (
        150,
        "Allergic to hazelnuts: even traces. Carries an EpiPen in the blue bag",
        "fact",
        ("health",),
        "personal",
        "claude",
    ),
    (
        100,
        "Sister Ana is vegetarian; her birthday is 14 March",
        "fact",
        ("family",),
        "personal",
        "claude",
    ),
    (
        60,
        "Dinner for eight on Saturday: no nuts, one vegetarian, João brings wine",
        "event",
        ("kitchen", "family"),
        "personal",
        "claude",
    ),
    (
        30,
        "Use uv instead of pip; every project pins Python 3.12",
        "preference",
        ("python",),
        "billing",
        "claude-code",
    ),
    (
        5,
        "The invoice PDF is rendered by WeasyPrint 63; 64 breaks the footer",
        "fact",
        ("api",),
        "billing",
        "cursor",
    ),
    (
        2,
        "Dentist moved to 3 December, 9:30, Rua Augusta 12",
        "event",
        ("health",),
        "personal",
        "claude",
    ),
)


def remember(desk: Service) -> None:
    """Write the memories, each at its own time."""
    present = datetime.now(UTC)
    for hours, text, kind, tags, space, host in LIFE:
        then = present - timedelta(hours=hours)
        with (
            patch("memdesk.service.core.now", lambda then=then: then),
            patch("memdesk.service.writing.now", lambda then=then: then),
        ):
            draft = Draft(text, kind=kind, tags=tags, space=space, source=Source(host, "agent"))
            desk.remember(draft, actor=host)


async def take(folder: Path) -> str:
    """Return the picture as SVG."""
    desk = Service(folder, Embedder(BUNDLED))
    remember(desk)
    desk.warm()
    app = MemdeskApp(lambda: desk)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1.0)
        await pilot.press(
            "slash", *(("space" if each == " " else each) for each in QUESTION.replace("'", ""))
        )
        await pilot.pause(1.5)
        await pilot.press("down")
        await pilot.pause(1.0)
        return app.export_screenshot(title="memdesk")


def main() -> None:
    """Take the picture and keep it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        svg = asyncio.run(take(Path(folder)))
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    svg = re.sub(r"font-family:\s*Fira Code[^;]*;", "font-family: DejaVu Sans Mono;", svg)
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(FILE), output_width=1400)


if __name__ == "__main__":
    main()
