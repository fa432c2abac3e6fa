"""A disk that forgets: what was fsynced is known, and the rest is lost as a power cut may lose it.

The model is harsher than any journal: each file and each entry of a folder that was not flushed since
it changed goes its own way. Only this is believed: a file that was once on the disk is not lost by
being renamed, and a folder's entry names the old file or the new one, never half of each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from types import TracebackType

Node = tuple[int, int, bool]
"""A file's or folder's device and inode, and whether it is a folder: numbers are given anew."""


@dataclass
class _Disk:
    """What is on the disk itself, whatever happens."""

    files: dict[Node, bytes] = field(default_factory=dict)
    folders: dict[Node, dict[str, Node]] = field(default_factory=dict)


class Disk:
    """Records what is flushed below a folder while it is entered, and flushes nothing itself.

    `on_flush` is called before each flush.
    """

    def __init__(self, home: Path, on_flush: Callable[[], None]) -> None:
        self._home = home
        self._on_flush = on_flush
        self._safe = _Disk()
        self._pins: dict[Node, int] = {}
        self._real = os.fsync

    def __enter__(self) -> Self:
        os.fsync = self._fsync  # type: ignore[assignment]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.fsync = self._real
        for pin in self._pins.values():
            os.close(pin)

    def _fsync(self, descriptor: int) -> None:
        self._on_flush()
        seen = os.fstat(descriptor)
        node = seen.st_dev, seen.st_ino, S_ISDIR(seen.st_mode)
        if node not in self._pins:  # so that no later file gets its number
            self._pins[node] = os.dup(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if node[2]:
            self._safe.folders[node] = _entries(path)
        else:
            self._safe.files[node] = path.read_bytes()

    def cut(self, into: Path, chance: Random) -> None:
        """Build the folder as it may be found when the power comes back."""
        if (top := _node(self._home)) is None:
            return
        _Ruin(self._safe, chance, _live(self._home)).build(top, into)


@dataclass
class _Live:
    """The tree as the processes saw it."""

    folders: dict[Node, dict[str, Node]] = field(default_factory=dict)
    files: dict[Node, Path] = field(default_factory=dict)


def _live(folder: Path) -> _Live:
    found = _Live()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        node = _node(here)
        if node is None:
            continue
        found.folders[node] = _entries(here)
        for name, below in found.folders[node].items():
            path = here / name
            if path.is_dir():
                waiting.append(path)
            else:
                found.files[below] = path
    return found


def _node(path: Path) -> Node | None:
    try:
        seen = path.lstat()
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino, S_ISDIR(seen.st_mode)


def _entries(folder: Path) -> dict[str, Node]:
    found = ((path.name, _node(path)) for path in folder.iterdir())
    return {name: node for name, node in found if node is not None}


class _Ruin:
    """One way in which it may be found."""

    def __init__(self, safe: _Disk, chance: Random, live: _Live) -> None:
        self._safe = safe
        self._live = live
        self._chance = chance
        # A cut that spares nearly all is as telling as one that spares nothing.
        self._spared = chance.choice((0.0, 0.2, 0.5, 0.8, 0.95, 1.0))
        kept = {node: self._kept(node) for node in {*safe.folders, *live.folders}}
        found = {below for entries in kept.values() for below in entries.values()}
        for node, entries in safe.folders.items():
            for name, below in entries.items():
                if below not in found and self._moved(below):
                    kept[node].setdefault(name, below)
        self._folders = kept

    def _moved(self, node: Node) -> bool:
        return any(node in entries.values() for entries in self._live.folders.values())

    def _kept(self, folder: Node) -> dict[str, Node]:
        safe = self._safe.folders.get(folder, {})
        live = self._live.folders.get(folder, {})
        kept = {}
        for name in {*safe, *live}:
            old, new = safe.get(name), live.get(name)
            chosen = new if old == new or self._spares() else old
            if chosen is not None:
                kept[name] = chosen
        return kept

    def _spares(self) -> bool:
        return self._chance.random() < self._spared

    def build(self, folder: Node, into: Path) -> None:
        """Write the folder `into` a place that is not there yet."""
        into.mkdir(parents=True)
        for name, node in self._folders.get(folder, {}).items():
            if node in self._folders:
                self.build(node, into / name)
            else:
                self._write(node, into / name)

    def _write(self, node: Node, into: Path) -> None:
        safe, path = self._safe.files.get(node), self._live.files.get(node)
        live = path.read_bytes() if path and path.exists() else None
        if live is None or live == safe or not self._spares():
            live = safe if safe is not None else self._torn(live or b"")
        into.write_bytes(live)
        into.chmod(0o600)

    def _torn(self, data: bytes) -> bytes:
        how = self._chance.randrange(4)
        if how == 0:
            return b""
        if how == 1:
            return bytes(len(data))
        end = self._chance.randrange(len(data) + 1)
        return data[:end] if how == 2 else data[:end] + bytes(len(data) - end)
