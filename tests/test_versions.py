"""Two versions of memdesk, or of lancedb, at once on one store: the older one steps back, in words."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_home import AS_OLDER, MCP, Home
from fakes import FakeEmbedder
from mcp_session import DEADLINE, Session

from memdesk.errors import StoreError
from memdesk.memory import Draft
from memdesk.service import Service
from memdesk.store.stamp import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEWER = AS_OLDER.replace("0.0.1", "99.0").replace(
    "from memdesk.__main__",
    "from memdesk.store import migrations, stamp\n"
    "step = migrations.Step(stamp.FORMAT, 'a later step', lambda home, stamp: stamp)\n"
    "migrations.STEPS += (step,)\n"
    "migrations.FORMAT = stamp.FORMAT = stamp.FORMAT + 1\n"
    "from memdesk.__main__",
)
"""A program that is memdesk 99.0, with a format of its own; its arguments are memdesk's."""
WORDS = "written by a newer memdesk"
NO_LANCEDB = "__version__ = '{version}'\n"
"""A package of an old version that has nothing in it: whoever looks further fails."""


@pytest.fixture
def real() -> Iterator[Home]:
    """Return a store's folder for real processes, which end with the test."""
    real = Home()
    yield real
    real.close()


def newer(real: Home, *words: str, direct: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of a later memdesk to its end."""
    return subprocess.run(
        [sys.executable, "-c", NEWER, *(["--direct"] if direct else []), *words],
        env=os.environ | real.env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )


def digest(home: Path) -> dict[str, str]:
    """Return what is in every file of a store, but for locks, logs and the daemon's."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file()
        and path.suffix not in (".lock", ".holder")
        and path.parent.name != "logs"
        and not path.name.startswith("daemon.")
    }


def test_an_older_one_that_has_the_store_open_stops_when_a_newer_one_migrates(real: Home) -> None:
    """Its very next call, to read or to write, refuses in a sentence and changes nothing."""
    older = Service(real.path, FakeEmbedder(), background=False)
    kept = older.remember(Draft("known to both"))
    assert "known to both" in newer(real, "list").stdout
    told = json.loads((real.path / "store.json").read_text(encoding="utf-8"))
    assert (told["format"], told["memdesk"]) == (FORMAT + 1, "99.0")
    before = digest(real.path)
    for call in (
        lambda: older.remember(Draft("too late")),
        lambda: older.forget([kept.id]),
        lambda: older.recall("known"),
        older.list,
        lambda: older.maintain(keep_seconds=0),
    ):
        with pytest.raises(StoreError, match=WORDS):
            call()
    assert digest(real.path) == before
    older.close()


def test_the_way_back_to_an_older_program(real: Home) -> None:
    """It puts the restore point of the migration in the place of a store that it cannot open."""
    real.command("--direct", "add", "known to both")
    newer(real, "add", "known to the newer one")
    [point] = (real.path / "points").glob(f"*-before-format-{FORMAT + 1}")
    done = real.command("--direct", "backup", "restore", point.name, "--yes")
    assert done.returncode == 0, done.stderr
    told = real.command("--direct", "list")
    assert "known to both" in told.stdout
    assert "the newer one" not in told.stdout
    aside = [path for path in (real.path / "points").iterdir() if path != point]
    assert [json.loads((each / "store.json").read_text())["format"] for each in aside] == [
        FORMAT + 1
    ]


def test_an_older_program_leaves_a_newer_store_byte_for_byte(real: Home) -> None:
    """Every command of its own process says which memdesk wrote it, and what to do."""
    newer(real, "add", "from the future")
    before = digest(real.path)
    for words in (["list"], ["add", "x"], ["maintain"]):
        done = real.command("--direct", *words)
        assert done.returncode == 1
        assert f"{WORDS} (99.0, format {FORMAT + 1}; this one reads up to {FORMAT})" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert digest(real.path) == before


def test_older_hosts_are_served_by_a_newer_daemon(real: Home) -> None:
    """Through the daemon an older program works on a store that it could not open itself."""
    with subprocess.Popen(
        [sys.executable, "-c", NEWER, "daemon", "run"],
        env=os.environ | real.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stderr
        try:
            assert "listens" in daemon.stderr.readline()
            with real.opened() as host:
                host.call("remember", text="by way of the newer one")
            assert "by way of the newer one" in real.command("list").stdout
            with Session([*MCP, "--direct"], env=real.env) as alone:
                alone.open()
                text, failed = alone.try_call("recall", query="newer")
                assert failed
                assert WORDS in text
            assert real.daemon == daemon.pid
        finally:
            daemon.terminate()


@pytest.mark.parametrize("version", ["0.25.3", "0.39.2"])
def test_an_older_lancedb_is_refused_before_it_touches_anything(real: Home, version: str) -> None:
    """One sentence names it and the one that is needed, to read and to write."""
    real.command("--direct", "add", "kept")
    before = digest(real.path)
    package = real.folder / "old" / "lancedb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(NO_LANCEDB.format(version=version), encoding="utf-8")
    env = os.environ | real.env | {"PYTHONPATH": str(package.parent)}
    for words in (["list"], ["add", "x"]):
        done = subprocess.run(
            [sys.executable, "-m", "memdesk", "--direct", *words],
            env=env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert f"lancedb {version} is installed, and memdesk needs 0.40" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert digest(real.path) == before
