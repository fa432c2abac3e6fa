"""Commands as this program has them: each with an example, some with two names, options they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from memdesk.cli.root import Desk

if TYPE_CHECKING:
    from collections.abc import Callable

    from memdesk.memory import Filter

F = TypeVar("F", bound="Callable[..., Any]")

pass_desk = click.make_pass_decorator(Desk)
"""Hands a command the `Desk` it works with."""


class Verb(click.Command):
    """A command whose help ends with an example."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        """One line per example, each as typed after the prompt."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples under the options."""
        with formatter.section("Examples" if "\n" in self.example else "Example"):
            for line in self.example.splitlines():
                formatter.write_text(line)


class Verbs(click.Group):
    """A group that lists a command with two names once."""

    def verb(self, *names: str, example: str, **kwargs: Any) -> Callable[[F], Verb]:
        """Add the decorated function as a command under each of the names."""

        def add(function: F) -> Verb:
            command = click.command(names[0], cls=Verb, example=example, **kwargs)(function)
            for name in names:
                self.add_command(command, name)
            return command

        return add

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with all its names and its first sentence."""
        names: dict[int, list[str]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                names.setdefault(id(command), []).append(name)
        rows = [
            (", ".join(some), self.commands[some[0]].get_short_help_str(limit=90))
            for some in names.values()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def as_json(function: F) -> F:
    """Add `--json`."""
    return click.option(
        "--json", "json_", is_flag=True, help="Print data as JSON instead of words."
    )(function)


def filters(function: F) -> F:
    """Add the options that narrow a search or a list."""
    for option in reversed(
        (
            click.option("--space", metavar="S", help="Only from this space."),
            click.option("--kind", "kinds", metavar="K", multiple=True, help="Only of this kind."),
            click.option("--tag", "tags", metavar="T", multiple=True, help="Only with this tag."),
            click.option(
                "--source", "sources", metavar="NAME", multiple=True, help="Only from this host."
            ),
            click.option("--since", metavar="WHEN", help="Only from then on: May 2026, monday."),
            click.option("--until", metavar="WHEN", help="Only up to then, that day included."),
        )
    ):
        function = option(function)
    return function


def described(function: F) -> F:
    """Add the options that say what a memory is, for `add` and `revise` alike."""
    for option in reversed(
        (
            click.option(
                "--file", "-f", "file", type=click.Path(), help="Take the text from this file."
            ),
            click.option("--kind", metavar="K", help="note, fact, preference, decision, task …"),
            click.option(
                "--tag", "-t", "tags", metavar="T", multiple=True, help="May be repeated."
            ),
            click.option("--space", metavar="S", help="The project that it belongs to."),
            click.option(
                "--audience",
                metavar="REMOTE",
                multiple=True,
                help="A remote it may go to; may be repeated. None: it stays here.",
            ),
            click.option(
                "--happened-at", metavar="DATE", help="When it happened: 2026-05 or …-08."
            ),
            click.option("--expires-at", metavar="DATE", help="From then on it is not recalled."),
        )
    ):
        function = option(function)
    return function


def build_filter(
    spaces: tuple[str, ...],
    kinds: tuple[str, ...],
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    **more: Any,
) -> Filter:
    """Return the filter that the options stand for; raises `Invalid` for a bad date."""
    from memdesk.memory import Filter
    from memdesk.periods import parse_period

    return Filter(
        spaces=spaces,
        kinds=kinds,
        tags=tags,
        since=parse_period(since, "since").start if since is not None else None,
        until=parse_period(until, "until").end if until is not None else None,
        **more,
    )
