"""Which space a working folder means, by git's own files and by what the person has said."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.memory import check_space
from memdesk.workplace import Workplaces, _as_space

GIT = shutil.which("git")


def repository(folder: Path) -> Path:
    """Make what git makes of a folder, as far as anybody looks; return the folder."""
    made(folder / ".git")
    return folder


def made(git: Path) -> Path:
    """Make a folder of git's own."""
    (git / "objects").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    return git


def work_tree(common: Path, folder: Path, name: str = "", *, relative: bool = False) -> Path:
    """Make a further work tree of a repository, as `git worktree add` does; return its folder."""
    folder.mkdir(parents=True)
    own = common / "worktrees" / (name or folder.name)
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    forth, back = str(own), str(folder / ".git")
    if relative:
        forth, back = os.path.relpath(own, folder), os.path.relpath(back, own)
    (own / "gitdir").write_text(f"{back}\n")
    (folder / ".git").write_text(f"gitdir: {forth}\n")
    return folder


def space_of(folder: Path, home: Path, **aliases: str) -> str:
    """Return the space of a folder, for a person whose home is somewhere."""
    return Workplaces("mine", aliases, home).space_of(str(folder))


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """Return a person's home folder."""
    (tmp_path / "ana").mkdir()
    return tmp_path / "ana"


def test_a_repository_gives_its_name(person: Path) -> None:
    """In its folder and anywhere below it."""
    root = repository(person / "code" / "website")
    deep = root / "src" / "pages"
    deep.mkdir(parents=True)
    assert [space_of(each, person) for each in (root, deep)] == ["website"] * 2
    assert space_of(root.parent, person) == "mine"


def test_the_nearest_repository_counts(person: Path) -> None:
    """One within another is a project of its own."""
    repository(person / "outer")
    inner = repository(person / "outer" / "vendor" / "inner")
    assert space_of(inner, person) == "inner"


@pytest.mark.parametrize("relative", [False, True])
def test_work_trees_share_the_space(person: Path, *, relative: bool) -> None:
    """Wherever a work tree is and whatever it is called, it is the same project."""
    root = repository(person / "website")
    tree = work_tree(root / ".git", person / "elsewhere" / "fix-42", relative=relative)
    (tree / "src").mkdir()
    assert [space_of(each, person) for each in (tree, tree / "src")] == ["website"] * 2


def test_work_trees_of_a_bare_repository_share_its_name(person: Path) -> None:
    """Both of `project.git`, and of a hidden folder beside the work trees."""
    one = work_tree(made(person / "website.git"), person / "w" / "main")
    other = work_tree(made(person / "api" / ".bare"), person / "api" / "main")
    assert [space_of(each, person) for each in (one, other)] == ["website", "api"]


def test_a_submodule_is_a_project_of_its_own(person: Path) -> None:
    """Its `.git` names a folder within the outer repository, which has no `commondir`."""
    root = repository(person / "outer")
    made(root / ".git" / "modules" / "lib")
    (root / "lib").mkdir()
    (root / "lib" / ".git").write_text("gitdir: ../.git/modules/lib\n")
    assert space_of(root / "lib", person) == "lib"


def test_nobody_takes_on_the_name_of_another_project(person: Path) -> None:
    """A `.git` file that git has not written, in an unpacked archive say, names no other repository."""
    root = repository(person / "secret-work")
    work_tree(root / ".git", person / "fix")
    evil = person / "unpacked"
    evil.mkdir()
    for told in (root / ".git" / "worktrees" / "fix", root / ".git"):
        (evil / ".git").write_text(f"gitdir: {told}\n")
        assert space_of(evil, person) == "unpacked"


def test_the_home_folder_is_no_project(person: Path, tmp_path: Path) -> None:
    """Nor is what is above it, even where somebody keeps it in git."""
    repository(person)
    repository(tmp_path)
    notes = person / "notes"
    notes.mkdir()
    assert [space_of(each, person) for each in (person, notes, tmp_path, Path("/"))] == ["mine"] * 4


def test_an_empty_folder_named_git_is_none(person: Path) -> None:
    """As for git, which goes on above it."""
    root = repository(person / "website")
    (root / "src" / ".git").mkdir(parents=True)
    assert space_of(root / "src", person) == "website"


@pytest.mark.parametrize(
    "content",
    [b"", b"gitdir: \0", b"gitdir: a\nb", b"\xff\xfe", b"gitdir: " + b"x" * 9999, b"gitdir: ."],
)
def test_a_broken_git_file_breaks_nothing(person: Path, content: bytes) -> None:
    """The folder's own name, never an error."""
    folder = person / "website"
    folder.mkdir()
    (folder / ".git").write_bytes(content)
    assert space_of(folder, person) == "website"
    assert space_of(folder, person, **{str(folder): "acme"}) == "acme"


@pytest.mark.parametrize("name", ["commondir", "gitdir"])
def test_a_file_of_gits_that_is_a_pipe_is_not_waited_for(person: Path, name: str) -> None:
    """What is no file is none of git's, whoever would write into it."""
    root = repository(person / "website")
    tree = work_tree(root / ".git", person / "fix")
    file = root / ".git" / "worktrees" / "fix" / name
    file.unlink()
    os.mkfifo(file)
    assert space_of(tree, person) == "fix"


@pytest.mark.parametrize("folder", ["", "relative", "/nowhere/at/all", "/a\0b"])
def test_a_folder_that_is_none_means_the_usual_space(folder: str, person: Path) -> None:
    """Of a host whose folder is gone, or that has none."""
    assert Workplaces("mine", {}, person).space_of(folder) == "mine"


def test_links_that_go_in_a_circle_mean_the_usual_space(person: Path) -> None:
    """Nothing is followed for ever."""
    (person / "a").symlink_to(person / "b")
    (person / "b").symlink_to(person / "a")
    assert space_of(person / "a", person) == "mine"


def test_an_alias_names_the_space(person: Path) -> None:
    """By the repository's name, for all its work trees, or by a folder, the nearest first."""
    root = repository(person / "website")
    tree = work_tree(root / ".git", person / "elsewhere" / "fix")
    assert [space_of(each, person, website="acme") for each in (root, tree)] == ["acme"] * 2
    by_path = {str(root): "shop", str(person / "elsewhere"): "lab"}
    assert [space_of(each, person, **by_path) for each in (root, tree)] == ["shop", "lab"]
    assert space_of(tree, person, **{str(root): "shop"}) == "shop"


def test_an_alias_gives_a_space_to_a_folder_without_a_repository(person: Path) -> None:
    """Such as that of a book."""
    chapter = person / "novel" / "one"
    chapter.mkdir(parents=True)
    assert space_of(chapter, person, **{str(person / "novel"): "novel"}) == "novel"
    assert space_of(person, person, **{str(person): "home"}) == "home"


@pytest.mark.parametrize(
    ("name", "space"),
    [
        (".dotfiles", "dotfiles"),
        ("_notes_", "notes_"),
        ("a (copy) & more", "a -copy- - more"),
        ("Caf" + "e\u0301", "Caf\u00e9"),
        ("日本語", "日本語"),
        ("x" * 200, "x" * 100),
        ("...", ""),
    ],
)
def test_any_folder_name_becomes_one_of_a_space(name: str, space: str) -> None:
    """What no space may hold is replaced, or left out at its beginning."""
    assert _as_space(name) == space


@given(st.text(max_size=200))
def test_what_names_a_space_is_one(name: str) -> None:
    """Whatever a folder is called."""
    space = _as_space(name)
    assert not space or check_space(space) == space


@pytest.mark.skipif(GIT is None, reason="git is not installed")
def test_git_itself_agrees(person: Path) -> None:
    """A real repository with a real work tree, a bare one, and a submodule's kind of folder."""
    env = os.environ | {"HOME": str(person), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str, cwd: Path) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run([str(GIT), *who, *words], cwd=cwd, env=env, check=True, capture_output=True)

    root = person / "website"
    root.mkdir()
    git("init", cwd=root)
    git("commit", "--allow-empty", "-m", "x", cwd=root)
    git("worktree", "add", "../trees/fix", cwd=root)
    git("clone", "--bare", str(root), str(person / "api.git"), cwd=person)
    git("worktree", "add", "../api-fix", "-b", "fix2", cwd=person / "api.git")
    git("init", "--separate-git-dir", str(person / "far.git"), str(person / "near"), cwd=person)
    found = [
        space_of(person / each, person) for each in ("website", "trees/fix", "api-fix", "near")
    ]
    assert found == ["website", "website", "api", "near"]
