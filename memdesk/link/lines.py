"""Lines from a stream of bytes, however long, without ever holding more than one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memdesk.link.address import LONGEST_LINE

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import AsyncIterator

_PIECE = 1 << 16


async def lines(reader: StreamReader) -> AsyncIterator[bytes]:
    """Yield each line with its end, until the stream ends or a line is longer than `LONGEST_LINE`.

    The reader's own limit would bound what it takes in ahead as well, and so must stay small.
    """
    line = bytearray()
    while piece := await reader.read(_PIECE):
        begin = 0
        while end := piece.find(b"\n", begin) + 1:
            line += piece[begin:end]
            yield bytes(line)
            line.clear()
            begin = end
        line += piece[begin:]
        if len(line) > LONGEST_LINE:
            return
