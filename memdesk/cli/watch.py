"""`memdesk watch`: the notes of a folder as memories, for as long as it runs."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memdesk.cli.changes import how_many
from memdesk.cli.command import Verbs, as_json, pass_desk
from memdesk.cli.data import put_json
from memdesk.cli.terminal import flush, one_line, put, say
from memdesk.errors import Invalid, MemdeskError
from memdesk.memory import check_space

if TYPE_CHECKING:
    from memdesk.cli.root import Desk
    from memdesk.ingest.round import News
    from memdesk.ingest.watching import Watch

watching = Verbs()

_WAIT = 30.0
"""How long another process may be at the folder, in seconds."""


@watching.verb(
    "watch",
    example="memdesk watch ~/notes --space journal\nmemdesk watch ~/notes --once",
    short_help="Keep the notes of a folder as memories.",
)
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--space", metavar="S", help="The space of notes that name none.")
@click.option("--once", is_flag=True, help="Bring in what has changed, and end.")
@click.option("--deleted", is_flag=True, help="Forget all notes that are gone, however many.")
@as_json
@pass_desk
def watch(
    desk: Desk, folder: str, *, space: str | None, once: bool, deleted: bool, json_: bool
) -> None:
    """Make memories of the notes in a folder, and keep them in line until Control-C.

    A new note is remembered, a changed one revised, a deleted one goes to the trash. Prints what
    became of each. See docs/IMPORT.md for what a note is and what is left out.
    """
    from memdesk.ingest.watching import Watch

    path = _checked(folder)
    desk.stays = not once
    chosen = check_space(space, "--space") if space is not None else _space(desk, path)
    voice = _Voice(json_=json_)
    one = Watch(desk.settings.home, path, chosen, voice)
    if not once:
        say(f"watches {path}; end it with Ctrl-C")
    for _ in one.looks(threading.Event()):
        try:
            _look(desk, one, voice, deleted=deleted)
            deleted = False  # it was said of what is gone now, not of a disk that is away tomorrow
        except MemdeskError as error:
            if once or isinstance(error, Invalid):
                raise
            say(f"{error}; it is tried again")
            one.look_again()
        if once:
            return


def _checked(folder: str) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise Invalid("DIR", f"{folder} is not a folder; name one that is there")
    return path.resolve()


def _space(desk: Desk, path: Path) -> str:
    """Return the space that the settings have for a folder, or for everything."""
    return desk.settings.watch.get(path, desk.settings.space)


def _look(desk: Desk, one: Watch, voice: _Voice, *, deleted: bool) -> None:
    voice.counts.clear()
    for _ in one.catch_up(desk.service, believe=deleted, wait=_WAIT):
        flush()
    flush()
    if voice.counts:
        desk.embed_soon()
        words = [f"{how_many(number)} {what}" for what, number in voice.counts.items()]
        say(", ".join(words))


class _Voice:
    """Tells a person, or a program, what became of each note."""

    def __init__(self, *, json_: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._json = json_

    def __call__(self, news: News) -> None:
        from memdesk.ingest.watching import TROUBLES

        if self._json:
            put_json({"what": news.what, "note": news.path, "words": news.words})
        elif news.what in TROUBLES:
            say(f"{news.path}: {news.what}: {news.words}")
        else:
            put(one_line(f"{news.what} {news.path}" + (f" ({news.words})" if news.words else "")))
        if news.what not in TROUBLES:
            self.counts[news.what] += 1
