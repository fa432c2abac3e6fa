"""Runs command lines against the real service in a temporary folder, with a model that is a fake."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from fakes import FakeEmbedder, other_model

from memdesk.cli.app import app
from memdesk.cli.root import Desk
from memdesk.config import Settings, private_folder
from memdesk.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNKNOWN = "7b9ad6a1-6f2e-4d0c-9c0b-0d8f6a1b2c3d"


@dataclass(frozen=True)
class Done:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def jsonl(self) -> list[Any]:
        """The documents on standard output, one per line."""
        return [json.loads(line) for line in self.lines]


@dataclass
class Cli:
    """A person at one desk."""

    home: Path
    embedder: FakeEmbedder
    opener: Callable[[Settings], Service] | None = None
    maintained: list[Path] = field(default_factory=list)
    """The stores that a maintenance process was started for."""

    def __call__(self, *words: str, stdin: str | bytes | None = None) -> Done:
        """Run `memdesk WORDS…`."""
        desk = Desk(self.opener or self._open, self.maintained.append)
        done = CliRunner().invoke(app, list(words), obj=desk, input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def ok(self, *words: str, stdin: str | bytes | None = None) -> Done:
        """Run a command line that must succeed."""
        done = self(*words, stdin=stdin)
        assert done.code == 0, done
        return done

    def add(self, text: str, *options: str) -> str:
        """Remember a text and return its id."""
        return self.ok("add", *options, "--", text).lines[0]

    def texts(self, *options: str) -> list[str]:
        """The texts that `list` shows, the newest first."""
        return [row["text"] for row in self.ok("list", "--json", "--limit", "0", *options).jsonl]

    def _open(self, settings: Settings) -> Service:
        return Service(
            private_folder(settings.home),
            self.embedder,
            default_space=settings.space,
            models=lambda name: FakeEmbedder(other_model(name)),
            background=False,
        )
