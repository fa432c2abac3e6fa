"""Where memdesk keeps things, and the few settings a person can make.

The only reader of the environment and of `config.toml`; everyone else is told.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from memdesk.errors import Invalid
from memdesk.memory import PERSONAL, check_space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOME = "MEMDESK_HOME"
"""The environment variable that puts store, settings and logs in one folder of one's choice."""
CONFIG_FILE = "config.toml"
_APP = "memdesk"
_YEAR = 525_600


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process works with."""

    home: Path
    """The store's folder; it need not exist yet."""
    config_file: Path
    """Where settings are read from; it need not exist."""
    logs: Path
    """The folder of the log files; it need not exist yet."""
    model: str | None = None
    """The embedding model of a new store, by its name in `memdesk model list`; None for the bundled one."""
    space: str = PERSONAL
    """The space of memories added without one."""
    idle_minutes: float = 15.0
    """How long the daemon stays when nobody is connected."""
    activity: bool = True
    """Whether what hosts ask is logged on this machine."""
    snapshots: bool = True
    """Whether a daemon makes restore points on a schedule."""
    spaces: Mapping[str, str] = field(default_factory=dict)
    """The spaces of hosts by the folder they work in, or by the name of its repository."""
    watch: Mapping[Path, str] = field(default_factory=dict)
    """The folders whose notes the daemon keeps as memories, and the space of each."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys for the desk's screen, by the names that docs/DESK.md lists."""


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings; creates nothing.

    Raises `Invalid` naming the file and the key that cannot be used.
    """
    home, config_file, logs = _folders(environ)
    told = _read(config_file)
    for key in told:
        if key not in _CHECKS:
            known = ", ".join(sorted(_CHECKS))
            raise Invalid(f"{config_file}: {key}", f"is not a setting; there are {known}")
    checked = {key: _CHECKS[key](told[key], f"{config_file}: {key}") for key in told}
    return Settings(home, config_file, logs, **checked)


def places(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return where everything is, whatever `config.toml` says; creates nothing, raises `Invalid`."""
    return Settings(*_folders(environ))


def private_folder(path: Path) -> Path:
    """Return the folder, made for its owner only where it did not exist."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(HOME, f"the folder {path} cannot be made: {error.strerror}") from error
    return path


def _folders(environ: Mapping[str, str]) -> tuple[Path, Path, Path]:
    dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
    usual = Path(dirs.user_data_dir)
    home = Path(environ.get(HOME) or usual)
    with contextlib.suppress(RuntimeError):  # no such user's home: then it stays relative
        home = home.expanduser()
    if not home.is_absolute():
        # Hosts start us in folders of their own: a relative path would mean many stores.
        raise Invalid(HOME, _no_home(environ.get(HOME)))
    if home == usual:  # named or not: hosts are always given the store's path
        return home, Path(dirs.user_config_dir) / CONFIG_FILE, Path(dirs.user_log_dir)
    return home, home / CONFIG_FILE, home / "logs"


def _no_home(chosen: str | None) -> str:
    if chosen:
        return f"must be an absolute path, not “{chosen}”"
    return "must be set to an absolute path, since this user has no home folder"


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(path), f"is not TOML: {error}") from error
    except OSError as error:
        raise Invalid(str(path), f"cannot be read: {error.strerror}") from error


def _name(value: object, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Invalid(field, 'must be a name in quotes, such as "all-MiniLM-L6-v2"')
    return value.strip()


def _space(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise Invalid(field, 'must be a name in quotes, such as "personal"')
    return check_space(value, field)


def _minutes(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _YEAR:
        raise Invalid(field, f"must be a number of minutes above 0, at most {_YEAR:,}, such as 15")
    return float(value)


def _keys(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Invalid(name, 'must be a table: [keys] and below it lines such as delete = "x"')
    for key, keys in value.items():
        if not isinstance(keys, str) or not keys.strip():
            raise Invalid(f"{name}.{key}", 'must be a key in quotes, or several: "d,delete"')
    return dict(value)


def _spaces(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Invalid(name, 'must be a table: [spaces] and below it lines such as api = "acme"')
    return {_place(key, name): _space(space, f"{name}.{key}") for key, space in value.items()}


def _watch(value: object, name: str) -> dict[Path, str]:
    if not isinstance(value, dict):
        raise Invalid(
            name, 'must be a table: [watch] and below it lines such as "~/notes" = "personal"'
        )
    return {_folder(key, name): _space(space, f"{name}.{key}") for key, space in value.items()}


def _folder(key: str, name: str) -> Path:
    """Return the real path of a folder; raises `Invalid`."""
    path = Path(key)
    with contextlib.suppress(RuntimeError):  # no such user's home: then it stays relative
        path = path.expanduser()
    if not path.is_absolute():
        raise Invalid(f"{name}.{key}", "must be the whole path of a folder")
    return Path(os.path.realpath(path))


def _place(key: str, name: str) -> str:
    """Return a repository's name as it is, a folder as its real path; raises `Invalid`."""
    if not set(key) & {"/", "\\", "~"}:
        return key
    path = Path(key)
    with contextlib.suppress(RuntimeError):  # no such user's home: then it stays relative
        path = path.expanduser()
    if not path.is_absolute():
        raise Invalid(f"{name}.{key}", "must be a repository's name, or the whole path of a folder")
    return os.path.realpath(path)


def _truth(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(field, "must be true or false, without quotes")
    return value


_CHECKS: dict[str, Callable[[object, str], Any]] = {
    "model": _name,
    "space": _space,
    "idle_minutes": _minutes,
    "activity": _truth,
    "snapshots": _truth,
    "spaces": _spaces,
    "watch": _watch,
    "keys": _keys,
}
