"""Where things are kept, and settings that can and cannot be used."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.config import load, private_folder
from memdesk.errors import Invalid
from memdesk.memory import PERSONAL


def test_a_home_of_one_s_choice(tmp_path: Path) -> None:
    """MEMDESK_HOME holds the store, the settings and the logs; nothing is created."""
    chosen = tmp_path / "desk"
    found = load({"MEMDESK_HOME": str(chosen)})
    assert (found.home, found.config_file) == (chosen, chosen / "config.toml")
    assert found.logs == chosen / "logs"
    assert (found.model, found.space, found.activity) == (None, PERSONAL, True)
    assert not chosen.exists()


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> platformdirs.PlatformDirs:
    """The system's folders of a user whose home is empty."""
    for name in list(os.environ):
        if name.startswith("XDG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return platformdirs.PlatformDirs("memdesk", appauthor=False)


@pytest.mark.parametrize("environ", [{}, {"MEMDESK_HOME": ""}])
def test_the_usual_places(usual: platformdirs.PlatformDirs, environ: dict[str, str]) -> None:
    """Without it, or with an empty one, the system's own folders are used."""
    found = load(environ)
    assert str(found.home) == usual.user_data_dir
    assert str(found.config_file) == str(Path(usual.user_config_dir) / "config.toml")
    assert str(found.logs) == usual.user_log_dir


def test_naming_the_usual_home_changes_nothing(usual: platformdirs.PlatformDirs) -> None:
    """Hosts are given the store's path; they still get the person's settings."""
    assert load({"MEMDESK_HOME": usual.user_data_dir}) == load({})


def test_a_tilde_is_the_person_s_home(usual: platformdirs.PlatformDirs, tmp_path: Path) -> None:
    """Hosts pass ~ on as it is written."""
    assert load({"MEMDESK_HOME": "~/desk"}).home == tmp_path / "desk"


@pytest.mark.parametrize("value", ["desk", "./desk", "~nobody-of-that-name/desk"])
def test_a_relative_home_is_refused(value: str) -> None:
    """Each host starts in a folder of its own, so a relative path would be many stores."""
    with pytest.raises(Invalid, match="MEMDESK_HOME: must be an absolute path"):
        load({"MEMDESK_HOME": value})


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no home is known, the way out is told."""
    monkeypatch.setattr(platformdirs.PlatformDirs, "user_data_dir", "~/.local/share/memdesk")
    monkeypatch.setattr(Path, "expanduser", _no_home)
    with pytest.raises(Invalid, match="MEMDESK_HOME: must be set to an absolute path"):
        load({})


def _no_home(_: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


def settings_of(tmp_path: Path, text: str) -> dict[str, str]:
    """An environment whose config.toml holds this text."""
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    return {"MEMDESK_HOME": str(tmp_path)}


def test_settings_are_read(tmp_path: Path) -> None:
    """All of them arrive."""
    text = 'model = "gemma"\nspace = "website"\nidle_minutes = 0.5\nactivity = false'
    found = load(settings_of(tmp_path, text))
    assert (found.model, found.space, found.idle_minutes) == ("gemma", "website", 0.5)
    assert found.activity is False


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "colour = 1",
            "colour: is not a setting; there are activity, idle_minutes, keys, model, snapshots, space",
        ),
        ("space = 1", "space: must be a name"),
        ('space = "/"', "space: must be 1 to 100"),
        ("model = true", "model: must be a name"),
        ("idle_minutes = 0", "idle_minutes: must be a number of minutes"),
        ("idle_minutes = true", "idle_minutes: must be a number of minutes"),
        ('activity = "off"', "activity: must be true or false"),
        ("activity = 0", "activity: must be true or false"),
        ("idle_minutes = nan", "idle_minutes: must be a number of minutes"),
        ('model = " "', "model: must be a name"),
        ("[space]\na = 1", "space: must be a name"),
        ('spaces = "web"', "spaces: must be a table: [spaces]"),
        ("[spaces]\nweb = 1", "spaces.web: must be a name"),
        ('[spaces]\nweb = "/"', "spaces.web: must be 1 to 100"),
        ('[spaces]\n"a/b" = "web"', "spaces.a/b: must be a repository's name, or the whole path"),
        ('[spaces]\n"~nobody-of-that-name/a" = "web"', "must be a repository's name, or the whole"),
        ("space = ", "config.toml: is not TOML"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    """The sentence has the file, the key and what would do."""
    with pytest.raises(Invalid) as caught:
        load(settings_of(tmp_path, text))
    assert str(tmp_path / "config.toml") in str(caught.value)
    assert named in str(caught.value)


def test_folders_are_known_by_their_real_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde is the person's home, a link where it leads; a name stays as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    text = f'[spaces]\n"~/a" = "one"\n"{tmp_path}/link" = "two"\n"site.org" = "three"'
    real = str(tmp_path.resolve())
    found = load(settings_of(tmp_path, text)).spaces
    assert found == {f"{real}/a": "one", f"{real}/real": "two", "site.org": "three"}


@given(st.binary(max_size=60))
def test_any_bytes_are_settings_or_invalid(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """A file of nonsense is never anything but a sentence."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "config.toml").write_bytes(data)
    with contextlib.suppress(Invalid):
        assert load({"MEMDESK_HOME": str(folder)}).home == folder


def test_a_settings_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder in its place is told as such."""
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(Invalid, match="cannot be read"):
        load({"MEMDESK_HOME": str(tmp_path)})


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_folders_are_private(tmp_path: Path) -> None:
    """A folder of ours is its owner's only, whatever the umask; one that was there is left as it is."""
    before = os.umask(0)
    made = private_folder(tmp_path / "desk")
    os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.chmod(0o750)
    assert stat.S_IMODE(private_folder(made).stat().st_mode) == 0o750


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the way is told with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="cannot be made"):
        private_folder(tmp_path / "file" / "desk")
