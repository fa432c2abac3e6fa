"""Memories as text for a model: compact, within a budget, and framed as data.

A memory may hold text from untrusted pages. Every line of it stands behind a bar, so that it can
neither pass for a header of ours nor end the frame; header fields are kept to one short line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memdesk.echo import BAR, FRAME
from memdesk.memory import count_tokens, now
from memdesk.moment import age, local_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from memdesk.answers import Changed, Hit, Profile, Recalled, Remembered
    from memdesk.memory import Memory

WHOLE_TOKENS = 400
"""A recalled memory up to this long is shown whole; of a longer one, the passage that fits."""
LEAST_TOKENS = 300
"""The smallest budget: room for our own lines and a few words of the first memory."""
MOST_TOKENS = 20_000
"""The largest budget."""
_HEAD_BYTES = 300
_FACTS_BYTES = 180
_TURN_BYTES = 400
"""How much of a turn beside a hit is shown."""
_MINOR = 3
"""So many times smaller than the other, words or meaning are not what found a hit."""
_TAIL_TOKENS = 18
"""Kept free for the line that says what was left out."""
_NO_ROOM = "(no room for the turns beside it)"
_FORMATS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}


@dataclass(frozen=True, slots=True)
class Block:
    """One memory to show."""

    head: str
    body: str
    rest: str = ""
    """What to say when the body is not the whole text."""
    turns: str = ""
    """The turns beside it, framed; without room for them it is shown alone."""


def recalled(answer: Recalled, spaces: Sequence[str], max_tokens: int) -> str:
    """Return what was recalled, most relevant first."""
    degraded = f"Found by words only: {word(answer.degraded, 100)}. " if answer.degraded else ""
    if not answer.hits:
        miss = (
            f" Nearest miss: {answer.nearest.memory.id} (get shows it)." if answer.nearest else ""
        )
        return f"{degraded}Nothing relevant is remembered in {_joined(spaces)}.{miss}"
    intro = f"{degraded}{_count(len(answer.hits))}, most relevant first. {FRAME}"
    return fit(intro, [_of_hit(hit) for hit in answer.hits], max_tokens)


def whole(memories: Sequence[Memory], max_tokens: int) -> str:
    """Return memories in full, with everything known about them."""
    return fit(
        f"{_count(len(memories))}. {FRAME}", [_in_full(each) for each in memories], max_tokens
    )


def listed(memories: Sequence[Memory], title: str, max_tokens: int, left_out: int = 0) -> str:
    """Return memories under a title of ours; `left_out` more are counted at the end."""
    if not memories:
        return f"{title}: nothing yet."
    blocks = [Block(head(each), each.text) for each in memories]
    return fit(f"{title}. {FRAME}", blocks, max_tokens, left_out)


def profile(answer: Profile, max_tokens: int) -> str:
    """Return a profile, and how much of it the budget left out."""
    title = f"What is always worth knowing ({word(answer.space)})"
    return listed(answer.memories, title, max_tokens, answer.left_out)


def remembered(answer: Remembered) -> str:
    """Return what became of a text that was to be remembered."""
    said = {
        "stored": f"Remembered as {answer.id} in {answer.space}.",
        "duplicate": f"Already known as {answer.id} in {answer.space}; nothing was added.",
        "restored": f"It was in the trash and is back as {answer.id} in {answer.space}.",
    }
    parts = [said.get(answer.outcome, f"{answer.outcome}: {answer.id} in {answer.space}.")]
    if answer.replaced:
        parts.append(f"It replaces {answer.replaced}.")
    if answer.held:
        parts.append(
            "It is one of very many in a minute, so it waits in the user's Inbox and is not recalled "
            "before they have looked at it."
        )
    if answer.removed:
        parts.append(f"{answer.removed} unprintable characters were removed.")
    if answer.pending:
        parts.append(
            f"{answer.pending} passages are being embedded; until then they are found by words."
        )
    return " ".join(parts)


def revised(memory: Memory) -> str:
    """Return the header of a memory as it is after a revision."""
    return f"Revised; the earlier version stays in its history.\n{head(memory)}"


def forgotten(answer: Changed) -> str:
    """Return what was moved to the trash and how it comes back."""
    parts = []
    if answer.done:
        back = " ".join(answer.done)
        parts.append(
            f"Moved to the trash: {', '.join(answer.done)}. Until the trash is emptied, "
            f"`memdesk restore {back}` or remembering the same text brings them back."
        )
    if answer.unchanged:
        parts.append(f"Forgotten already: {', '.join(answer.unchanged)}.")
    if answer.conflicts:
        parts.append(f"Changed meanwhile, left as they are: {', '.join(answer.conflicts)}.")
    return "\n".join(parts)


def head(memory: Memory, *more: str) -> str:
    """Return the one line that says what a memory is, how old it is and where it comes from."""
    fields = [memory.id, _when(memory), word(memory.kind), word(memory.space)]
    fields.append(f"from {word(memory.source.name)} ({word(memory.source.trust)})")
    if memory.pinned:
        fields.append("pinned")
    # Last, since it is the tags that may be too many for the line.
    tags = " ".join(f"#{word(tag)}" for tag in memory.tags)
    return clip(" · ".join(field for field in (*fields, *more, tags) if field), _HEAD_BYTES)


def frame(text: str) -> str:
    """Return text with every line of it behind a bar, whatever separates its lines."""
    return "\n".join(BAR + line for line in text.splitlines()) or BAR


def word(text: str, size: int = 40) -> str:
    """Return a header field as one line of at most `size` bytes that holds no separator of ours."""
    plain = "".join(each if each.isprintable() else " " for each in text).replace("·", ".")
    plain = " ".join(plain.split())
    return plain if len(plain.encode()) <= size else clip(plain, size - 3) + "…"


def clip(text: str, size: int) -> str:
    """Return the longest beginning of `text` that is at most `size` bytes of UTF-8."""
    return text.encode()[: max(0, size)].decode(errors="ignore")


def fit(intro: str, blocks: Iterable[Block], max_tokens: int, left_out: int = 0) -> str:
    """Return the intro and as many blocks as the budget holds; of the first, at least a part.

    After the first that does not fit, the rest are only counted, with the `left_out` before them.
    """
    shown = [clip(intro, max_tokens)]
    room = max_tokens - count_tokens(shown[0]) - _TAIL_TOKENS
    full = False
    for block in blocks:
        text = "" if full else _block(block, room)
        full = full or not text
        if not text and len(shown) > 1:
            left_out += 1
            continue
        shown.append(text or _cut(block, room))
        room -= count_tokens("\n\n" + shown[-1])
    if left_out:
        shown.append(f"({left_out} more did not fit max_tokens={max_tokens})")
    return "\n\n".join(shown)


def _block(block: Block, tokens: int) -> str:
    """Return a block whole, or nothing when it is longer than `tokens`; turns may be left out."""
    if len(block.body) > tokens * 3:
        return ""
    for turns in (block.turns, _NO_ROOM) if block.turns else ("",):
        text = "\n".join(
            part for part in (block.head, frame(block.body), block.rest, turns) if part
        )
        if count_tokens("\n\n" + text) <= tokens:
            return text
    return ""


def _cut(block: Block, tokens: int) -> str:
    """Return a block's header and as much of its text as `tokens` hold."""
    total = len(block.body)
    most = MOST_TOKENS - _TAIL_TOKENS - count_tokens(f"{_count(1)}. {FRAME}")
    note = "… (cut: get the id with a higher max_tokens for the rest)"
    too_long = not _block(block, most)
    if too_long:  # no max_tokens would do
        note = f"… (cut: {total} of {total} characters shown; recall finds passages of the rest)"
    size = tokens * 3 - len(f"\n\n{block.head}\n\n{note}".encode()) - 2
    # A cut between a bar and its space would leave a line that has no bar any more.
    body = clip(frame(clip(block.body, size)), size).removesuffix(f"\n{BAR.strip()}")
    if too_long:
        shown = len(body) - len(BAR) * (body.count("\n") + 1)
        note = note.replace(str(total), str(shown), 1)
    return f"{block.head}\n{body}\n{note}"


def _of_hit(hit: Hit) -> Block:
    memory, (start, end) = hit.memory, hit.span
    passage, turns = memory.text[start:end] or hit.passage, _turns(hit)
    who = word(memory.speaker or memory.role or "")
    known = [f"said by {who}" if who else "", _found_by(hit)]
    if len(passage) >= len(memory.text) or count_tokens(memory.text) <= WHOLE_TOKENS:
        return Block(head(memory, *known), memory.text, turns=turns)
    return Block(
        head(memory, *known, f"characters {start}-{end} of {len(memory.text)}"),
        passage,
        "(a passage; get the id for the whole text)",
        turns,
    )


def _found_by(hit: Hit) -> str:
    """Return w for a hit found by words, m by meaning, b by both; nothing where neither is known."""
    by_words, by_meaning = _MINOR * hit.words > hit.meaning, _MINOR * hit.meaning > hit.words
    return "b" if by_words and by_meaning else "w" if by_words else "m" if by_meaning else ""


def _turns(hit: Hit) -> str:
    """Return the turns before and after a hit under headings of ours, each one line in the frame."""
    sides: dict[str, list[str]] = {}
    for turn in hit.beside:
        side = "before" if (turn.position or 0) < (hit.memory.position or 0) else "after"
        sides.setdefault(f"({side} it)", []).append(_turn(turn))
    return "\n".join(line for side, turns in sides.items() for line in (side, *turns))


def _turn(turn: Memory) -> str:
    who = turn.speaker or turn.role
    said = turn.text[: _TURN_BYTES + 1]
    line = " ".join((f"{who}: {said}" if who else said).split())
    fits = len(line.encode()) <= _TURN_BYTES and len(turn.text) <= _TURN_BYTES
    return frame(line if fits else clip(line, _TURN_BYTES) + "…")


def _in_full(memory: Memory) -> Block:
    facts = {
        "state": memory.state,
        "remembered": f"{memory.created_at:%Y-%m-%d %H:%M}Z",
        "revised": f"{memory.updated_at:%Y-%m-%d %H:%M}Z"
        if memory.updated_at != memory.created_at
        else "",
        "expires": f"{memory.expires_at:%Y-%m-%d %H:%M}Z" if memory.expires_at else "",
        "replaces": word(memory.replaces or ""),
        "replaced by": word(memory.replaced_by or ""),
        "said by": word(memory.speaker or memory.role or ""),
        "source": word(memory.source.ref, 80),
    }
    known = " · ".join(f"{name} {value}" for name, value in facts.items() if value)
    metadata = "" if memory.metadata in ("", "{}") else f"\nmetadata: {memory.metadata}"
    return Block(f"{head(memory)}\n{clip(known, _FACTS_BYTES)}", memory.text + metadata)


def _when(memory: Memory) -> str:
    """Return how old a memory is, and the date of what it tells about as exactly as it is known."""
    old = age(memory.when, now())
    old = old if old == "now" or old.startswith("in ") else f"{old} ago"
    return f"{_date(memory.happened_at, memory)}, {old}" if memory.happened_at else old


def _date(moment: datetime, memory: Memory) -> str:
    local = local_time(moment, memory.utc_offset_min)
    return local.strftime(_FORMATS.get(memory.happened_precision or "", "%Y-%m-%d %H:%M"))


def _count(many: int) -> str:
    return "1 memory" if many == 1 else f"{many} memories"


def _joined(names: Sequence[str]) -> str:
    return " or ".join(word(name) for name in names) or "any space"
