"""Answers as JSON: field names that scripts may rely on (docs/CLI.md)."""

from __future__ import annotations

import json

from memdesk.answers import document
from memdesk.cli.terminal import put


def put_json(value: object, **more: object) -> None:
    """Print a value of the service, and further fields beside its own, as one line of JSON."""
    told = document(value)
    put(json.dumps(told | more if more else told, ensure_ascii=False))
