"""`memdesk demo`, `mcp`, `completion` and `maintain`: the program itself at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from memdesk.cli.command import Verbs, pass_desk

if TYPE_CHECKING:
    from memdesk.cli.root import Desk

session = Verbs()

COMPLETE = "_MEMDESK_COMPLETE"
"""The variable by which a shell asks for completions."""
SHELLS = ("bash", "zsh", "fish")


@session.verb("demo", example="memdesk demo")
@pass_desk
def demo(desk: Desk) -> None:
    """Show on a throw-away store what an AI host does with memdesk.

    Ends by telling how to connect one.
    """
    from memdesk.demo import run

    run(click.echo, desk.settings.home)


@session.verb("mcp", example="memdesk mcp\nmemdesk mcp --space website")
@click.option("--space", metavar="S", help="Where this host's memories go by default.")
@click.option("--tools", default="core", show_default=True, help="The set of tools.")
@click.option("--direct", is_flag=True, help="Serve in this process, without the daemon.")
def mcp(space: str | None, tools: str, *, direct: bool) -> None:
    """Serve an AI host over standard input and output; hosts start this.

    See docs/HOST.md for how to connect one.
    """
    # `memdesk.__main__` runs it before any of this is imported; here is only its help.
    raise click.UsageError("mcp must be the first word: memdesk mcp")


@session.verb("completion", example='eval "$(memdesk completion bash)"')
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes memdesk's commands in a shell."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(ctx.find_root().command, {}, "memdesk", COMPLETE).source())


@session.verb("maintain", example="memdesk maintain", hidden=True)
@click.option("--keep", default=600.0, show_default=True, help="Keep what readers used, seconds.")
@click.option("--linger", default=0.0, show_default=True, help="Wait for more to do, seconds.")
@pass_desk
def maintain(desk: Desk, keep: float, linger: float) -> None:
    """Tidy the store once; memdesk starts this by itself."""
    from memdesk.cli.root import lower_priority

    lower_priority()
    desk.direct = True  # its memory goes when it ends, and the daemon is who started it
    desk.service.maintain(keep_seconds=keep, linger_seconds=linger)
