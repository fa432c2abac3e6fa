"""Why a host's file is left as it is."""

from __future__ import annotations


class Unusable(Exception):  # noqa: N818 (read as “raises Unusable”)
    """A file cannot be changed safely; says why, as what follows the file's name in a sentence."""
