"""The documents say what is so: every command, every option, every file they name."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

import memdesk
from memdesk import config, demo
from memdesk.cli.app import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])
CLI = (ROOT / "docs" / "CLI.md").read_text("utf-8")
HOSTS = (ROOT / "docs" / "HOST.md").read_text("utf-8")


def commands(group: click.Group = app, path: str = "memdesk") -> dict[str, click.Command]:
    """Every command that is shown, by its whole name, under its first one."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{path} {name}")
        elif not command.hidden and command not in found.values():
            found[f"{path} {name}"] = command
    return found


def sections() -> dict[str, str]:
    """The text under each command's heading."""
    parts = re.split(r"^### (memdesk .+)$|^## .+$", CLI, flags=re.MULTILINE)
    return {name: text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name}


def test_every_command_is_described_and_no_other() -> None:
    """The headings of CLI.md are the commands there are."""
    assert set(sections()) == set(commands())


@pytest.mark.parametrize("name", commands())
def test_every_option_is_described(name: str) -> None:
    """Each option stands in its command's section, and each that stands there exists."""
    told = set(re.findall(r"`(--?[a-z][a-z-]*)", sections()[name]))
    there: set[str] = set()
    for parameter in commands()[name].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            there |= {*parameter.opts, *parameter.secondary_opts}
    assert told == there


def test_aliases_are_described() -> None:
    """A command's second name stands in its section."""
    for name, command in app.commands.items():
        first = command.name or ""
        if name != first:
            assert f"memdesk {name}" in sections()[f"memdesk {first}"]


def test_settings_are_described() -> None:
    """CLI.md shows every setting, with a value that can be used."""
    example = re.search(r"```toml\n(.*?)```", CLI, re.DOTALL)
    assert example
    assert set(tomllib.loads(example[1])) == set(config._CHECKS)
    assert config.HOME in CLI


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every file that a document links to is there."""
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, *ROOT.glob("*.lock")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_machine_is_named(document: Path) -> None:
    """No path of the machine it was written on, no address of a registry."""
    text = document.read_text("utf-8")
    assert not re.search(r"/root/|/work/|/tmp/|/home/\w|pypi\.org|pythonhosted|npmjs", text)


def test_locks_hold_versions_and_nothing_else() -> None:
    """A lock pins every line, and the dev lock has the same versions."""
    runtime = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    dev = (ROOT / "requirements-dev.lock").read_text("utf-8").splitlines()
    pins = [line for line in runtime if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line) for line in pins)
    assert set(pins) <= set(dev)


def test_both_installers_get_the_same_flags() -> None:
    """What uv reads in pyproject.toml is what the scripts set and the README tells."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    flags = project["tool"]["uv"]["extra-build-variables"]["llama-cpp-python"]["CMAKE_ARGS"]
    assert flags in (ROOT / "scripts" / "build-flags").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert flags in readme
    assert "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" in readme


def test_host_snippets_are_json() -> None:
    """What one copies from HOST.md parses, and is what the demo prints."""
    snippets = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", HOSTS, re.DOTALL)]
    assert snippets[0]["mcpServers"]["memdesk"]["args"] == ["mcp"]
    printed = demo.connect_words(Path("/somewhere"))
    shown = json.loads(printed[printed.index("{") : printed.index("\n\n")])
    assert shown["mcpServers"]["memdesk"].keys() == snippets[0]["mcpServers"]["memdesk"].keys()


def test_map_names_what_there_is() -> None:
    """Every module of the package is in CONTRIBUTING.md's map."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for path in Path(memdesk.__file__).parent.iterdir():
        if path.suffix == ".py" and not path.name.startswith("_"):
            assert path.stem in text, path.name
        elif path.is_dir() and (path / "__init__.py").exists():
            assert f"`{path.name}/`" in text, path.name


def test_where_to_change_names_what_there_is() -> None:
    """Every file in CONTRIBUTING.md's table exists, and so does every test."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = text.split("## Where do I change…")[1].split("## House rules")[0]
    for name in re.findall(r"`([\w/]+\.(?:py|md)|[\w/]+/|scripts/[\w-]+)`", table):
        assert (ROOT / name).exists() or (ROOT / "memdesk" / name).exists(), name
    for name in re.findall(r"\btest_\w+", table):
        assert list((ROOT / "tests").glob(f"{name.rstrip('_')}*.py")), name


def test_the_changelog_knows_this_version() -> None:
    """The version has an entry."""
    assert f"## [{memdesk.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_readme_has_room_for_the_speed_table() -> None:
    """The markers that the table is put between are there, once and in order."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("<!-- speed:begin -->") == text.count("<!-- speed:end -->") == 1
    assert text.index("<!-- speed:begin -->") < text.index("<!-- speed:end -->")
