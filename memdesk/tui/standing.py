"""How remotes stand, in words: at the top of the desk, on its sync screen, and in toasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from memdesk.memory import now
from memdesk.moment import age, wall_clock
from memdesk.tui.plain import content, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from memdesk.remotes import Standing, Synced
    from memdesk.tui.glyphs import Glyphs

NO_REMOTE = "No remote yet: memdesk sync add NAME URL"
NEVER = "not synced yet"
_KEYS = {"keyring": "key in the keyring", "file": "key in the store's folder, unencrypted"}


def state(standings: Sequence[Standing], signs: Glyphs) -> str:
    """Return how all of them stand together, in a few words with their sign; empty where none is."""
    if not standings:
        return ""
    if wrong := next((each for each in standings if each.error), None):
        name = f"{wrong.remote.name} " if len(standings) > 1 else ""
        return one_line(f"{signs.problem} {name}{_not_since(wrong.synced_at)}")
    words = _waiting(standings) or _last(standings)
    held = sum(each.held for each in standings)
    return one_line(f"{signs.fine} {words}{f', {held:,} held' if held else ''}")


def _waiting(standings: Sequence[Standing]) -> str:
    those = [each for each in standings if each.waiting]
    if not those:
        return ""
    many = sum(each.waiting for each in those)
    whom = those[0].remote.name if len(those) == 1 else f"{len(those)} remotes"
    return f"{many:,} {'waits' if many == 1 else 'wait'} for {whom}"


def _last(standings: Sequence[Standing]) -> str:
    at = [each.synced_at for each in standings]
    known = [each for each in at if each]
    if len(known) < len(at):
        return NEVER
    when = age(min(known), now())
    return "synced just now" if when == "now" else f"synced {when} ago"


def _not_since(at: datetime | None) -> str:
    return f"not synced since {clock(at)}" if at else NEVER


def clock(at: datetime) -> str:
    """Return a moment on the clock here; of another day, with its date."""
    here, today = wall_clock(at), wall_clock(now()).date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%Y-%m-%d %H:%M}"


def row(standing: Standing, signs: Glyphs) -> Content:
    """Return a remote as a line: its name, how it stands, how much waits and is held."""
    wrong = standing.error
    parts = (
        _not_since(standing.synced_at) if wrong else _last((standing,)),
        f"{standing.waiting:,} {'waits' if standing.waiting == 1 else 'wait'}",
        f"{standing.held:,} held",
    )
    shown = (each for each in parts if not each.startswith("0 "))
    words = f"{signs.problem if wrong else signs.fine} {', '.join(shown)}"
    return Content.assemble((f"{one_line(standing.remote.name)}  ", "bold"), content(words))


def about(standing: Standing) -> Content:
    """Return what is known of a remote: what went wrong and what comes next first."""
    parts = [
        Content.styled(one_line(each), style)
        for each, style in (*_trouble(standing), *_facts(standing))
    ]
    return Content("\n").join(parts)


def _trouble(standing: Standing) -> Iterator[tuple[str, str]]:
    if standing.error:
        yield f"{_not_since(standing.synced_at).capitalize()}: {standing.error}", "bold"
    if standing.retry_at:
        yield f"Tries again at {clock(standing.retry_at)}.", ""
    elif standing.error and standing.remote.auto:
        yield "Does not try again by itself: s does.", ""
    elif not standing.remote.auto:
        yield "Syncs only when it is told to: s does that.", ""
    else:
        yield "Syncs by itself while the daemon runs.", ""


def _facts(standing: Standing) -> Iterator[tuple[str, str]]:
    remote = standing.remote
    for each in standing.cannot:
        yield each, ""
    yield f"{remote.kind} at {remote.url}", "dim"
    if standing.synced_at and not standing.error:
        yield f"Synced at {clock(standing.synced_at)}.", "dim"
    spaces = ", ".join(remote.spaces)
    yield f"Accepts {spaces or 'every space'}; {_key(standing)}.", "dim"


def _key(standing: Standing) -> str:
    key = standing.key
    return _KEYS.get(key, f"its key: {key}" if key else "no key")


def outcome(told: Sequence[Synced]) -> str:
    """Return what came of an exchange, one line for each remote."""
    several = len(told) > 1
    lines = (f"{each.remote}: {_came(each)}" if several else _came(each) for each in told)
    return "\n".join(one_line(each) for each in lines)


def _came(each: Synced) -> str:
    counts = (
        (f"pushed {each.pushed:,}", each.pushed),
        (f"deleted {each.deleted:,} there", each.deleted),
        (f"fetched {each.pulled:,}", each.pulled),
        (f"{each.trashed:,} moved to the trash here", each.trashed),
    )
    done = ", ".join(words for words, many in counts if many)
    words = done or ("" if each.error else "nothing new")
    more = (
        f"{each.conflicts:,} had changed on both sides: look into the Inbox"
        if each.conflicts
        else "",
        f"{each.held:,} held" if each.held else "",
        each.error,
    )
    told = "; ".join(part for part in (words, *more) if part)
    return f"{told[:1].upper()}{told[1:]}"
