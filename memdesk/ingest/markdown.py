"""Markdown: a folder of notes or a single one, as Obsidian, basic-memory and others keep them.

One note is one memory: an observation or a paragraph says little without the note it stands in, and
search finds passages of it anyhow.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from memdesk.errors import Invalid
from memdesk.ingest import fields, frontmatter, parts, pdf, table, text
from memdesk.ingest.item import Format, Skipped
from memdesk.ingest.paper import fitting, is_text, shown, the_file
from memdesk.ingest.papers import first, papers
from memdesk.memory import MAX_TAG_LENGTH, MAX_TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memdesk.ingest.item import Choices, Item
    from memdesk.ingest.paper import Paper
    from memdesk.memory import Draft

SUFFIXES = (".md", ".markdown")
_ALIASES = ("aliases", "alias")
_CUT_TITLE = 300
"""Where memdesk's own export cuts a title, be it in the midst of a word."""
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,5}")
"""What is told of other files: the suffixes of logs that are numbered are endless."""
_CODE = re.compile(
    r"^ {0,3}(?P<fence>```+|~~~+).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`).{0,300}?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_TAG = re.compile(r"(?<!\S)#((?:[\w/-]|[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d])+)")
_WORD = re.compile(r"[^\W_]+")


def notes(paper: Paper, choices: Choices) -> Iterator[Item]:
    """Yield the one memory of a note, of a long one its parts; raises `Unfit`."""
    whole = paper.words().replace("\r\n", "\n").replace("\r", "\n")
    values, body = frontmatter.split(whole)
    aliases = [word for name in _ALIASES for word in fields.words(values.pop(name, None) or [])]
    told = fields.told(values, without="text")
    title = told.get("title") or paper.title
    if not body.strip():  # a note that has its properties alone
        body = whole
    tags = _with_inline(_own_tags(told.fields.get("tags", [])), body)
    told = replace(told, fields={**told.fields, "tags": tags} if tags else told.fields)

    def drafted(text: str, part: dict[str, int]) -> Draft:
        return replace(told, rest={**told.rest, **part}).drafted(
            text, space=choices.space, happened_at=paper.day, created_at=paper.changed
        )

    yield from parts.items(_headed(body, title, aliases), f"# {title}", paper.place, drafted)


def _own_tags(value: object) -> list[str]:
    """Return the tags of front matter; Obsidian's have no spaces, so that one parts two of them."""
    spaced = isinstance(value, str) and "," not in value
    return str(value).split() if spaced else fields.words(value)


def _with_inline(own: list[str], body: str) -> list[str]:
    """Return a note's own tags, and as many of those in its text as there is room for."""
    found = [tag for tag in inline_tags(body) if tag not in own and len(tag) <= MAX_TAG_LENGTH]
    return own + found[: max(0, MAX_TAGS - len(own))]


def inline_tags(body: str) -> list[str]:
    """Return the #tags in a note's text, in its order: no headings, numbers or code."""
    found = _TAG.findall(_CODE.sub(" ", body)) if "#" in body else []
    return [tag for tag in dict.fromkeys(found) if tag.strip("0123456789-/_")]


def _headed(body: str, title: str, aliases: list[str]) -> str:
    """Return a note under its title and its other names, as far as it does not begin with them."""
    first = next((line.strip() for line in body.splitlines() if line.strip()), "")
    lines = ([] if _begins(first, title) else [f"# {title}"]) + (
        [f"Also called: {', '.join(aliases)}"] if aliases else []
    )
    return "\n".join(lines) + "\n\n" + body.lstrip("\n") if lines else body


def _begins(line: str, title: str) -> bool:
    """Tell whether a line begins with a title, by its words: a file's name writes it in other ways."""
    plain, sought = (" ".join(each.split()).lstrip("# ") for each in (line, title))
    words = _words(sought)
    if not words or len(title) >= _CUT_TITLE:
        return plain.startswith(sought)
    return _words(plain)[: len(words)] == words


def _words(line: str) -> list[str]:
    return _WORD.findall(line.casefold())


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return any(_reader(each) for each in first(path))
    return path.suffix.lower() in SUFFIXES and path.is_file() and is_text(path)


def _read(path: Path, choices: Choices) -> Iterator[Item | Skipped]:
    if path.suffix.lower() in table.SUFFIXES and path.is_file():
        raise Invalid(shown(str(path)), f"is a table; bring it in with --from {table.FORMAT.name}")
    if not path.is_dir():
        yield from fitting(notes, the_file(path, FORMAT.name), choices)
        return
    known = 0
    for each in papers(path):
        if isinstance(each, Skipped):
            yield each
            continue
        reader = _reader(each)
        known += reader is not None
        if reader:
            yield from fitting(reader, each, choices)
        else:
            suffix = each.path.suffix.lower()
            kind = f" ({suffix})" if _SUFFIX.fullmatch(suffix) else ""
            yield Skipped(each.place, f"is no note{kind}")
    if not known:
        raise Invalid(shown(str(path)), "holds no .md, .txt or .pdf file; name a folder of notes")


def _reader(paper: Paper) -> Callable[[Paper, Choices], Iterator[Item | Skipped]] | None:
    suffix = paper.path.suffix.lower()
    if suffix in SUFFIXES:
        return notes
    return text.notes if suffix in text.SUFFIXES else pdf.notes if suffix == pdf.SUFFIX else None


FORMAT = Format("markdown", "Markdown notes (Obsidian, basic-memory)", _recognises, _read)
