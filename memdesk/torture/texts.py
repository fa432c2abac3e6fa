"""What is remembered while the desk is tortured: made-up texts, each with a word of its own."""

from __future__ import annotations

import hashlib
import random

_WORDS = (
    "the train to the coast leaves before noon and nobody waits on platform four because winter "
    "timetables begin on sunday she prefers green tea with ginger over coffee after lunch our "
    "landlord repairs heating pipes only in autumn so keep two blankets ready the billing service "
    "stores invoices as plain files until spring when an archive takes them deploys happen on "
    "tuesdays never before a holiday my sister plays cello at the old theatre near the river bridge"
)
WORDS = _WORDS.split()
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TOKEN = 14
_USUAL, _LONG = (12, 70), (300, 900)
_ONE_LONG_IN = 25
_ROUND = 2.0
_COMMON = 3


def token(seed: int, slot: int, number: int) -> str:
    """Return the word of one memory: in its text in every revision, and in no other one's."""
    digest = hashlib.sha256(f"{seed} {slot} {number}".encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_TOKEN])


def text(token: str, revision: int) -> str:
    """Return the text of a revision of the memory with a token: always the same one."""
    chance = random.Random(f"{token} {revision}")  # noqa: S311 (a text, not a secret)
    length = chance.randint(*(_USUAL if chance.randrange(_ONE_LONG_IN) else _LONG))
    words = chance.choices(WORDS, k=length)
    words.insert(length // 2, token)
    return f"{' '.join(words)}, revision {revision}"


def common(at: float, chance: random.Random) -> str:
    """Return one of the few texts that every process remembers in these two seconds."""
    return f"what everybody remembers at once, {int(at / _ROUND)}, {chance.randrange(_COMMON)}"
