"""What is imported when, each in a fresh interpreter: the start stays fast, the rooms stay apart."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import memdesk

PACKAGE = Path(memdesk.__file__).parent
HEAVY = {"lancedb", "pyarrow", "llama_cpp", "numpy", "mcp", "pydantic", "textual"}


def modules_after(program: str) -> set[str]:
    """The modules that a program has imported when it ends."""
    probe = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program + probe],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def tops(modules: set[str]) -> set[str]:
    """The packages those modules belong to."""
    return {name.partition(".")[0] for name in modules}


def test_the_package_costs_nothing() -> None:
    """`import memdesk` imports no other module of ours, and no one else's."""
    bare = modules_after("")
    assert modules_after("import memdesk") - bare == {"memdesk"}


_BOTH_LIBRARIES = """
import sys
import memdesk.store
written = []
calls = ("os.putenv", "os.unsetenv")
sys.addaudithook(lambda event, told: written.append(told) if event in calls else None)
from memdesk.embedder import native
native._library()
print(written)
"""


def test_nothing_is_written_to_the_environment_beside_a_store() -> None:
    """A thread of LanceDB that read it meanwhile took the process with it."""
    done = subprocess.run(
        [sys.executable, "-c", _BOTH_LIBRARIES], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "name", ["memory", "moment", "answers", "errors", "limits", "link.client", "hook"]
)
def test_values_need_the_standard_library_only(name: str) -> None:
    """What crosses every room drags nothing along."""
    known = set(sys.stdlib_module_names) | {"memdesk", "__main__"} | tops(modules_after(""))
    assert tops(modules_after(f"import memdesk.{name}")) <= known


@pytest.mark.parametrize(
    "name",
    ["cli.app", "cli.root", "config", "demo", "service", "catalog", "embedder", "mcp.wire"],
)
def test_nothing_heavy_at_import(name: str) -> None:
    """These modules are on the way to the first answer."""
    assert not tops(modules_after(f"import memdesk.{name}")) & HEAVY


def test_the_screen_brings_no_store_and_no_model() -> None:
    """The desk's first frame waits for nothing but Textual."""
    assert tops(modules_after("import memdesk.tui.app")) & HEAVY == {"textual"}


def test_opening_a_service_is_cheap(tmp_path: Path) -> None:
    """The composition root imports no store and no model: the first verb does."""
    program = (
        f"import os; os.environ['MEMDESK_HOME'] = {str(tmp_path)!r}\n"
        "from memdesk.cli.root import open_service; open_service().close()"
    )
    assert not tops(modules_after(program)) & HEAVY


@pytest.mark.parametrize("words", [["--help"], ["paths"], ["completion", "zsh"], ["add", "--help"]])
def test_commands_that_read_nothing_import_nothing_heavy(words: list[str]) -> None:
    """Help and paths answer at once."""
    program = f"from memdesk.cli.app import run; run({words!r})"
    found = modules_after(program)
    assert not tops(found) & HEAVY
    assert "memdesk.service" not in found


def test_mcp_comes_before_everything_else() -> None:
    """In its own process `__main__` imports the guard of the wire first, and no command line at all."""
    program = (
        "import sys, types\n"
        "sys.argv = ['memdesk', 'mcp', '--direct', '--space', 'x']\n"
        "wire, stdio = types.ModuleType('wire'), types.ModuleType('stdio')\n"
        "wire.guard = lambda: sys.stderr.write(','.join(m for m in sys.modules if 'memdesk' in m))\n"
        "stdio.main = lambda argv, *, open_service, logs: print(argv)\n"
        "sys.modules['memdesk.mcp.wire'], sys.modules['memdesk.mcp.stdio'] = wire, stdio\n"
        "from memdesk.__main__ import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "['--space', 'x']\n"
    ours = set(done.stderr.split(","))
    assert ours <= {"memdesk", "memdesk.__main__", "memdesk.mcp.wire", "memdesk.mcp.stdio"}


def imported_names(path: Path) -> set[str]:
    """Every package that a file imports or asks importlib for, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {ast.literal_eval(arg) for arg in node.args if isinstance(arg, ast.Constant)}
    return tops(found)


def test_llama_cpp_only_in_the_embedder() -> None:
    """It is imported by name, which import-linter cannot see."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "llama_cpp" in imported_names(path)
    }
    assert users <= {"embedder/native.py"}


def test_no_file_is_too_long() -> None:
    """A file is at most 400 lines, a function at most 40."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.body[0].lineno + 1
                assert lines <= 40, (path, node.name, lines)
