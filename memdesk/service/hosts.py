"""What each AI host may do and see, and what is remembered of it while this process lives."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict, deque
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from memdesk.echo import LONGEST, digest, plain
from memdesk.errors import Invalid, StoreError
from memdesk.lock import WriterLock
from memdesk.memory import PERSONAL, check_space, clean_word
from memdesk.rules import HostRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from memdesk.service.core import Core
    from memdesk.service.seat import Seat

FILE = "hosts.json"
MOST_SAVES = 100
"""Saves of one host within `_MINUTE` that are recalled at once; further ones wait in the Inbox."""
_MINUTE = 60.0
_MOST_HOSTS = 50
_MOST_SHOWN = 2000
"""Texts that are known to have been shown to one host; the oldest are forgotten first."""
_NAME = "host"
_PATIENCE = 5.0
_NEW = HostRules()
_FIELDS = frozenset(each.name for each in fields(HostRules))


@dataclass
class _Known:
    """One host, as this process knows it."""

    saved: deque[float] = field(default_factory=deque)
    """When it saved, on the monotonic clock, in the last minute."""
    shown: OrderedDict[bytes, str] = field(default_factory=OrderedDict)
    """The ids of the memories it was shown, by a digest of what it was shown of them."""


class Hosts:
    """The hosts of one store: their rules on the disk, and what they did lately; thread-safe."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = WriterLock(home / "hosts.lock", "hosts")
        self._guard = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._read: tuple[tuple[int, int, int], dict[str, HostRules]] | None = None

    # Rules

    def rules(self) -> Mapping[str, HostRules]:
        """Return the rules there are, by the names of hosts as `folded` has them.

        Raises `StoreError` where they cannot be read: then no host may do anything.
        """
        seen = self._stamp()
        read = self._read
        if read is None or read[0] != seen:
            read = self._read = (seen, self._from_disk())
        return read[1]

    def of(self, name: str) -> HostRules:
        """Return the rules of a host."""
        return self.rules().get(folded(name), _NEW)

    def set(self, name: str, rules: HostRules) -> HostRules:
        """Keep the rules of a host; return them in their usual form. Raises `Invalid`."""
        from memdesk.disk import write_json

        name, rules = folded(name), _checked(rules)
        with self._lock.hold(_PATIENCE):
            kept = self._from_disk() | {name: rules}
            told = {name: asdict(each) for name, each in sorted(kept.items()) if each != _NEW}
            try:
                write_json(self._path, told)
            except OSError as error:
                raise StoreError(f"cannot write {self._path}: {error.strerror or error}") from error
        return rules

    def _stamp(self) -> tuple[int, int, int]:
        try:
            told = self._path.stat()
        except OSError:
            return 0, 0, 0
        return told.st_mtime_ns, told.st_ino, told.st_size

    def _from_disk(self) -> dict[str, HostRules]:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            return _by_name((name, _rules(each)) for name, each in told.items())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError, Invalid) as error:
            raise StoreError(
                f"what hosts may do cannot be read from {self._path}, so they may do nothing; remove "
                "that file and say anew what each may: memdesk host NAME"
            ) from error

    # What a host did lately

    @contextmanager
    def saving(self, name: str) -> Iterator[Save]:
        """Count one save of a host; the caller says in the end whether it made a new memory."""
        save = Save(time.monotonic())
        with self._guard:
            saved = self._host(name).saved
            while saved and saved[0] <= save.at - _MINUTE:
                saved.popleft()
            save.too_many = len(saved) >= MOST_SAVES
            saved.append(save.at)
        try:
            yield save
        finally:
            if not save.stored:
                with self._guard:
                    if save.at in saved:
                        saved.remove(save.at)

    def show(self, name: str, id: str, *texts: str) -> None:
        """Keep that a host was shown texts of a memory; the texts themselves are not kept."""
        digests = {digest(said) for text in texts if len(text) <= LONGEST and (said := plain(text))}
        with self._guard:
            shown = self._host(name).shown
            for each in digests:
                shown[each] = id
                shown.move_to_end(each)
            while len(shown) > _MOST_SHOWN:
                shown.popitem(last=False)

    def shown_as(self, name: str, plain_text: str) -> str:
        """Return the id of the memory of which a host was shown this; empty where it was not."""
        with self._guard:
            return self._host(name).shown.get(digest(plain_text), "")

    def _host(self, name: str) -> _Known:
        name = folded(name)
        known = self._known.setdefault(name, _Known())
        self._known.move_to_end(name)
        if len(self._known) > _MOST_HOSTS:
            self._known.popitem(last=False)
        return known


@dataclass
class Save:
    """One save that is under way."""

    at: float
    too_many: bool = False
    """Whether it waits for the person's eye."""
    stored: bool = False


def folded(name: str) -> str:
    """Return a host's name as rules know it; raises `Invalid` for none."""
    known = clean_word(name, _NAME, 100).casefold()
    if not known:
        raise Invalid(_NAME, "has no name; memdesk activity lists the names of hosts")
    return known


def _by_name(told: Iterable[tuple[str, HostRules]]) -> dict[str, HostRules]:
    """Return rules by their hosts' names; raises `ValueError` where one host has several."""
    found: dict[str, HostRules] = {}
    for name, rules in told:
        if found.setdefault(folded(name), rules) is not rules:
            raise ValueError("two rules for one host")
    return found


def _rules(told: Mapping[str, Any]) -> HostRules:
    """Return the rules that the file tells; raises `TypeError` and `ValueError` for others."""
    if not told.keys() <= _FIELDS:
        raise ValueError("a rule that this memdesk does not know")
    truths = {name: value for name, value in told.items() if name != "spaces"}
    spaces = told.get("spaces")
    named = isinstance(spaces, list) and all(isinstance(each, str) for each in spaces)
    if not (named or spaces is None) or not all(isinstance(each, bool) for each in truths.values()):
        raise TypeError("a rule of another type")
    return HostRules(**truths, spaces=None if spaces is None else tuple(spaces))


def _checked(rules: HostRules) -> HostRules:
    if rules.spaces is None:
        return rules
    spaces = dict.fromkeys(check_space(each, "spaces") for each in rules.spaces)
    personal = rules.personal or PERSONAL in spaces
    spaces.pop(PERSONAL, None)
    if not spaces and not personal:
        raise Invalid("spaces", "leave this host nothing to see; name one, or pause the host")
    return HostRules(rules.read_only, rules.paused, tuple(spaces), personal)


class Hosting:
    """The part of the service that is about hosts."""

    _core: Core

    def for_host(self, name: str, space: str | None = None) -> Seat:
        """Return the desk as a host of this name may use it; `space` is what it means by none."""
        from memdesk.service.seat import Seat

        return Seat(self._core, name, space)

    def host_rules(self) -> dict[str, HostRules]:
        """Return what those hosts may do and see that may not do everything, by their names."""
        return dict(self._core.hosts.rules())

    def set_host_rules(self, name: str, rules: HostRules) -> HostRules:
        """Say what a host may do and see; return the rules in their usual form. Raises `Invalid`."""
        self._core.make_home()
        return self._core.hosts.set(name, rules)
