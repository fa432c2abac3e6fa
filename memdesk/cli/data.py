"""Answers as JSON: field names that scripts may rely on (docs/CLI.md)."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

from memdesk.cli.terminal import put


def put_json(value: object, **more: object) -> None:
    """Print a value of the service, and further fields beside its own, as one line of JSON."""
    document = plain(value)
    put(json.dumps(document | more if more else document, ensure_ascii=False))


def plain(value: object) -> Any:
    """Return the value made of what JSON knows: times in UTC with a Z, metadata and priors as objects."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _field(name, part) for name, part in asdict(value).items()}
    if isinstance(value, dict):
        return {str(name): _field(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _field(name: str, value: object) -> Any:
    if name == "metadata" and isinstance(value, str):
        return json.loads(value)
    return dict(value) if name == "priors" and isinstance(value, tuple) else plain(value)
