"""Resources and prompts in memory, as both kinds of clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mcp_client import MODES, refusal, through_client
from mcp_fake import FakeService, memory

from memdesk.errors import StoreError

if TYPE_CHECKING:
    from mcp import Client


@pytest.mark.parametrize("mode", MODES)
def test_the_resources_are_two_views_and_any_memory(mode: str) -> None:
    """The newest memories, the profile and one memory by id can be attached by a person."""
    service = FakeService()
    known = memory("tea", pinned=True)
    service.memories[known.id] = known

    async def ask(client: Client) -> list[str]:
        listed = [each.uri for each in (await client.list_resources()).resources]
        templates = (await client.list_resource_templates()).resource_templates
        listed += [each.uri_template for each in templates]
        for uri in ("memories://recent", "memories://profile", f"memories://{known.id}"):
            [content] = (await client.read_resource(uri)).contents
            assert "| tea" in content.text  # type: ignore[union-attr]
        return listed

    assert through_client(ask, service, mode) == [
        "memories://recent",
        "memories://profile",
        "memories://{id}",
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", ["nope", "00000000-0000-4000-8000-000000000000", "a/b", ".."])
def test_a_resource_that_is_not_there_is_refused(mode: str, id: str) -> None:
    """An unknown id and a malformed one are the caller's error."""
    code, _ = refusal(lambda client: client.read_resource(f"memories://{id}"), mode=mode)
    assert code == -32602


def test_a_resource_that_cannot_be_read_says_why() -> None:
    """A failing store is the server's error, in its own words."""
    failing = FakeService(failure=StoreError("the disk is full"))
    asked = refusal(lambda client: client.read_resource("memories://recent"), failing)
    assert asked == (-32603, "the disk is full")


@pytest.mark.parametrize("mode", MODES)
def test_there_are_two_prompts(mode: str) -> None:
    """A briefing holds the profile and what bears on its topic; the other asks to remember."""
    service = FakeService()
    known = memory("tea at four", pinned=True)
    service.memories[known.id] = known

    async def ask(client: Client) -> list[str]:
        names = [each.name for each in (await client.list_prompts()).prompts]
        assert names == ["brief", "remember_session"]
        texts = []
        for name, arguments in (
            ("brief", {"topic": "tea"}),
            ("brief", {}),
            ("remember_session", {"focus": "food"}),
        ):
            [message] = (await client.get_prompt(name, arguments)).messages
            texts.append(message.content.text)  # type: ignore[union-attr]
        return texts

    about, whole, keep = through_client(ask, service, mode)
    assert "about tea" in about
    assert about.count("| tea at four") == 2
    assert "The newest memories" in whole
    assert "above all about food" in keep


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("brie", {}, "there is no prompt brie; there are brief, remember_session"),
        ("brief", {"topik": "x"}, "topik: Unexpected keyword argument"),
    ],
)
def test_a_wrong_prompt_is_refused_by_name(name: str, arguments: dict[str, str], said: str) -> None:
    """An unknown prompt or argument is named."""
    assert refusal(lambda client: client.get_prompt(name, arguments)) == (-32602, said)


def test_a_prompt_that_fails_says_why() -> None:
    """A failing store is told in its own words."""
    failing = FakeService(failure=StoreError("the disk is full"))
    asked = refusal(lambda client: client.get_prompt("brief"), failing)
    assert asked == (-32603, "the disk is full")
