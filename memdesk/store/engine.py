"""The one door to lancedb and pyarrow: settings that must be made before they load.

Measured in LANCEDB.md: the REST client classes that `lancedb` builds at import are never used by
a local store and cost 0.65 s, and glibc's many arenas double the resident memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.abc
import importlib.machinery
import sys
from typing import TYPE_CHECKING

import memdesk.environment  # noqa: F401 (what lancedb reads must be there before any thread)
from memdesk.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

LEAST = (0, 40)
"""The oldest series of lancedb that may open a store (LANCEDB.md §8); pyproject.toml says the same."""
_REST = "lance_namespace_urllib3_client.api"
_M_ARENA_MAX = -8


class _RestStandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty classes in place of the REST client of lance-namespace, which a local store never calls."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 (importlib's protocol)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a stand-in for the client and its modules, None for all else."""
        if fullname == _REST or fullname.startswith(_REST + "."):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=fullname == _REST)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Give a module of the client one empty class, named after it."""
        if module.__name__ != _REST:
            words = module.__name__.rsplit(".", 1)[1].split("_")
            name = "".join(word.title() for word in words)
            setattr(module, name, type(name, (), {}))


def _prepare() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    if "lancedb" not in sys.modules:
        sys.meta_path.insert(0, _RestStandIn())


def _refuse_older(installed: str) -> None:
    """Raise `StoreError` before a table is touched: an older lancedb damages what a newer one wrote."""
    if tuple(int(part) for part in installed.split(".")[:2] if part.isdigit()) < LEAST:
        least = ".".join(map(str, LEAST))
        raise StoreError(
            f"lancedb {installed} is installed, and memdesk needs {least} or newer: an older one would "
            "damage the store, so nothing was opened; install memdesk again with its packages"
        )


_prepare()

import lancedb  # noqa: E402  (the settings above must come first)

_refuse_older(lancedb.__version__)

import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from lancedb.index import FTS, Bitmap, BTree, IvfRq, IvfSq, LabelList  # noqa: E402
from lancedb.query import ColumnOrdering, MatchQuery  # noqa: E402

__all__ = [
    "FTS",
    "BTree",
    "Bitmap",
    "ColumnOrdering",
    "IvfRq",
    "IvfSq",
    "LabelList",
    "MatchQuery",
    "lancedb",
    "pa",
    "pc",
]
