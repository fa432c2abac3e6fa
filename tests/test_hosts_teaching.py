"""What makes an agent use its memory: instructions, a skill and a hook, put in and taken out."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import documents, unhurried

from memdesk.hosts import HOSTS, Surroundings
from memdesk.hosts.changing import carry_out, putting_in, taking_out
from memdesk.hosts.entries import _parsed
from memdesk.hosts.installed import Records
from memdesk.hosts.teaching import BEGIN, END, LESSON, SKILL, Block, Hook, lessons
from memdesk.hosts.unusable import Unusable
from memdesk.mcp.server import INSTRUCTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from memdesk.hosts.pieces import Piece

BLOCK = f"{BEGIN}\n{LESSON}{END}\n"
HOOK = Hook("MEMDESK_HOME=/store /opt/memdesk profile --hook")


def put(piece: Piece, file: Path, store: Records) -> None:
    """Put a piece into a file."""
    carry_out(putting_in(piece, file, store), store)


def take(piece: Piece, file: Path, store: Records) -> None:
    """Take a piece out of a file."""
    carry_out(taking_out(piece, file, store), store)


def test_it_says_what_the_server_says() -> None:
    """The rules are those of the MCP server's instructions, word for word."""
    rules = [line for line in INSTRUCTIONS.splitlines() if line.startswith("- ")]
    assert len(rules) == 5
    assert [line for line in LESSON.splitlines() if line.startswith("- ")] == rules
    assert len(SKILL.splitlines()[2]) < 1024 + len("description: ")


@unhurried
@given(st.text(alphabet="aé#-\n\r ", max_size=40))
def test_a_block_is_added_below_and_taken_out_again(text: str) -> None:
    """All that stands in the file stays; a second time nothing changes."""
    after = Block().put(text, "")
    assert after.startswith(text)
    assert Block().put(after, "") == after
    assert Block().same(text, after)
    left = Block().take(after, False)
    assert left.strip() == text.strip()


def test_a_block_that_was_changed_by_hand_stays(tmp_path: Path) -> None:
    """A second install keeps the person's words, and leaving takes the block whole."""
    file, store = tmp_path / "AGENTS.md", Records(tmp_path / "store")
    file.write_text("# Mine\n", encoding="utf-8")
    put(Block(), file, store)
    assert file.read_text("utf-8") == f"# Mine\n\n{BLOCK}"
    mine = file.read_text("utf-8").replace(END, f"- And be brief.\n{END}") + "\nMore.\n"
    file.write_text(mine, encoding="utf-8")
    put(Block(), file, store)
    assert file.read_text("utf-8") == mine
    take(Block(), file, store)
    assert file.read_text("utf-8") == "# Mine\n\nMore.\n"


def test_a_block_of_an_older_memdesk_is_renewed(tmp_path: Path, monkeypatch: Any) -> None:
    """One that nobody has changed since it was put in, whatever was written around it."""
    file, store = tmp_path / "AGENTS.md", Records(tmp_path / "store")
    with monkeypatch.context() as older:
        older.setattr("memdesk.hosts.teaching.LESSON", "Call recall.\n")
        put(Block(), file, store)
    file.write_text("# Mine\n\n" + file.read_text("utf-8"), encoding="utf-8")
    put(Block(), file, store)
    assert file.read_text("utf-8") == f"# Mine\n\n{BLOCK}"


@pytest.mark.parametrize("text", [f"{BEGIN}\n", f"{END}\n{BEGIN}\n", BLOCK + BLOCK, f"{END}\n"])
def test_half_a_block_is_left_alone(text: str) -> None:
    """Where it is unclear what is ours, nothing is changed."""
    with pytest.raises(Unusable):
        Block().put(text, "")
    with pytest.raises(Unusable):
        Block().take(text, False)


def test_a_skill_is_a_file_of_its_own(tmp_path: Path) -> None:
    """It goes with its folder; a skill of that name that somebody else wrote stays."""
    file, store = tmp_path / "skills" / "memdesk" / "SKILL.md", Records(tmp_path / "store")
    put(Block(SKILL), file, store)
    assert file.read_text("utf-8") == SKILL + BLOCK
    take(Block(SKILL), file, Records(tmp_path / "no-records"))
    assert not file.parent.exists()
    file.parent.mkdir()
    file.write_text("---\nname: memdesk\n---\nMine.\n", encoding="utf-8")
    with pytest.raises(Unusable):
        put(Block(SKILL), file, store)
    take(Block(SKILL), file, store)
    assert file.read_text("utf-8") == "---\nname: memdesk\n---\nMine.\n"


@unhurried
@given(documents("hooks", comments=True))
def test_a_hook_leaves_the_settings_as_they_are(text: str) -> None:
    """It is there once, however often it is put in, and what is there beside it stays."""
    after = HOOK.put(text, "")
    told: Any = _parsed(after)
    (group,) = told["hooks"].pop("SessionStart")
    assert group["hooks"][0]["command"] == HOOK.command
    assert told == {"hooks": {}} | _parsed(text)
    assert HOOK.put(after, "") == after
    newer: Any = _parsed(Hook("/new/memdesk profile --hook").put(after, ""))
    assert len(newer["hooks"]["SessionStart"]) == 1
    assert HOOK.same(text, after)
    assert _parsed(Hook().take(after, True)).get("hooks", {}) == _parsed(text).get("hooks", {})


def test_a_hook_among_others_goes_alone() -> None:
    """Somebody may have moved it into a group of their own, or have others that print a profile."""
    theirs = {"type": "command", "command": "their profile --hook"}
    ours = {"type": "command", "command": HOOK.command}
    group = {"matcher": "startup", "hooks": [theirs, ours]}
    told = {"hooks": {"SessionStart": [group, {"hooks": [theirs]}], "Stop": []}}
    left: Any = json.loads(Hook().take(json.dumps(told, indent=2), True))
    group["hooks"] = [theirs]
    assert left == told


@pytest.mark.parametrize(
    "command",
    [
        "cd ~/src/memdesk && make-profile --hooks",
        "/opt/memdesk profile --hook --deep",
        "echo memdesk profile --hook",
        "/opt/memdesk profile --hook; say 'hello",
        "/opt/not-memdesk profile --hook",
    ],
)
def test_a_hook_that_only_looks_like_ours_is_somebody_elses(command: str) -> None:
    """It is neither taken out nor renewed."""
    text = json.dumps({"hooks": {"SessionStart": [{"hooks": [{"command": command}]}]}})
    assert not HOOK.stands(text)
    assert HOOK.take(text, True) == text
    assert len(json.loads(HOOK.put(text, ""))["hooks"]["SessionStart"]) == 2


@pytest.mark.parametrize(
    "command",
    [
        "memdesk profile --hook",
        "A=1 MEMDESK_HOME='/my store' 'C:\\py\\memdesk.exe' profile --hook",
        "/usr/bin/python3.11 -P -m memdesk profile --hook",
    ],
)
def test_an_older_hook_of_ours_keeps_what_somebody_has_added(command: str) -> None:
    """Only its command is renewed; when it goes, a comment in it is not lost."""
    group = '{"matcher": "startup", /* mine */ "hooks": [{"command": %s, "timeout": 9}]}'
    text = '{"hooks": {"SessionStart": [%s]}}'
    before = text % (group % json.dumps(command))
    assert HOOK.put(before, "") == text % (group % json.dumps(HOOK.command))
    with pytest.raises(Unusable, match="has comments"):
        HOOK.take(before, True)


def test_a_hook_names_its_store() -> None:
    """Erasing one store leaves what is for another."""
    text = HOOK.put("", "")
    assert HOOK.stores(text) == {"/store"}
    assert HOOK.stores("") == set()


def test_what_is_shown_of_hooks_is_only_ours() -> None:
    """Beside it no value is shown."""
    theirs = {"type": "canary", "command": "canary profile --hook"}
    text = json.dumps({"hooks": {"SessionStart": [{"hooks": [theirs]}]}})
    shown = HOOK.masked(HOOK.put(text, ""))
    assert "canary" not in shown
    assert HOOK.command in shown


@pytest.mark.parametrize("text", ['{"hooks": []}', '{"hooks": {"SessionStart": {}}}', "{"])
def test_settings_of_another_shape_are_left_alone(text: str) -> None:
    """Nothing is guessed there either."""
    with pytest.raises(Unusable):
        HOOK.put(text, "")


def test_which_host_is_taught_how(tmp_path: Path) -> None:
    """Claude Code has all three, some have instructions, the others have nothing for all projects."""
    around = Surroundings("linux", tmp_path, {})
    program, home = ("/opt/mem desk/memdesk",), tmp_path / "st ore"
    taught = {
        host.name: [
            (file.relative_to(tmp_path).as_posix(), piece.what)
            for file, piece in lessons(host, around, program, home)
        ]
        for host in HOSTS
    }
    assert taught == {
        "claude-desktop": [],
        "claude-code": [
            (".claude/CLAUDE.md", "its instructions"),
            (".claude/skills/memdesk/SKILL.md", "its skill"),
            (".claude/settings.json", "its hook"),
        ],
        "cursor": [],
        "vscode": [],
        "windsurf": [(".codeium/windsurf/memories/global_rules.md", "its instructions")],
        "zed": [],
        "codex": [(".codex/AGENTS.md", "its instructions")],
        "gemini": [(".gemini/GEMINI.md", "its instructions")],
        "copilot": [(".copilot/copilot-instructions.md", "its instructions")],
        "antigravity": [],
    }
    *_, hook = lessons(HOSTS[1], around, program, home)
    assert isinstance(hook[1], Hook)
    words = shlex.split(hook[1].command)
    assert words == [f"MEMDESK_HOME={home}", program[0], "profile", "--hook"]
