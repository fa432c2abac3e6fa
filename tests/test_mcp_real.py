"""`memdesk mcp` whole: the real store, the real model, raw JSON lines over real pipes."""

from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from mcp_session import VERSIONS, Session, memdesk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GONE = 2.0
NEVER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=VERSIONS)
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """An open session with an empty store, once for every protocol version."""
    with memdesk(tmp_path / "home", version=request.param) as opened:
        opened.open()
        yield opened


def test_a_whole_session(session: Session) -> None:
    """Every tool, resource and prompt works on the real thing, and only answers reach the wire."""
    assert len(session.request("tools/list")["result"]["tools"]) == 6
    _remembers_and_recalls(session)
    _revises_and_forgets(session)
    _serves_resources_and_prompts(session)
    session.leave()
    assert session.finish(GONE) == 0
    assert len(session.lines) == len(session.answers)
    assert "dentist" not in "".join(session.errors)


def _remembers_and_recalls(session: Session) -> None:
    said = session.call(
        "remember",
        text="The dentist expects me on Friday at nine\x1b[31m",
        kind="event",
        tags=["health"],
        happened_at="2026-05-08",
    )
    assert said.startswith("Remembered as ")
    assert "1 unprintable characters were removed" in said
    [id] = ID.findall(said)
    again = session.call("remember", text="The dentist expects me on Friday at nine[31m")
    assert again.startswith(f"Already known as {id} in personal")
    session.call("remember", text="Bread needs flour, water, salt and time", kind="fact")
    found = session.call("recall", query="when do I see a doctor for my teeth?", limit=1)
    assert f"{id} · 2026-05-08, " in found
    assert " · event · personal · from raw-host (agent) · m · #health\n| The dentist" in found
    assert id not in session.call("recall", query="teeth", kind="fact")
    assert id in session.call("recall", query="teeth", since="2026-05", until="2026-05-08")
    assert id not in session.call("recall", query="teeth", until="2026-05-07")


def _revises_and_forgets(session: Session) -> None:
    [id] = ID.findall(session.call("recall", query="teeth", limit=1))
    session.call("revise", id=id, text="The dentist expects me on Monday at ten", pinned=True)
    assert "| The dentist expects me on Monday" in session.call("get", ids=[id])
    assert "pinned" in session.call("profile")
    said = session.call("remember", text="The dentist moved to Tuesday", replaces=id)
    assert f"It replaces {id}." in said
    assert "state replaced" in session.call("get", ids=[id])
    [newer] = set(ID.findall(said)) - {id}
    assert "Moved to the trash" in session.call("forget", ids=[newer], reason="a test")
    assert newer not in session.call("recall", query="dentist")


def _serves_resources_and_prompts(session: Session) -> None:
    resources = session.request("resources/list")["result"]["resources"]
    assert [each["uri"] for each in resources] == ["memories://recent", "memories://profile"]
    templates = session.request("resources/templates/list")["result"]["resourceTemplates"]
    assert [each["uriTemplate"] for each in templates] == ["memories://{id}"]
    [newest] = session.request("resources/read", {"uri": "memories://recent"})["result"]["contents"]
    assert "| Bread needs flour" in newest["text"]
    [id] = ID.findall(newest["text"])
    one = session.request("resources/read", {"uri": f"memories://{id}"})["result"]["contents"]
    assert "| Bread needs flour" in one[0]["text"]
    prompts = session.request("prompts/list")["result"]["prompts"]
    assert [each["name"] for each in prompts] == ["brief", "remember_session"]
    asked = {"name": "brief", "arguments": {"topic": "baking"}}
    [message] = session.request("prompts/get", asked)["result"]["messages"]
    assert "| Bread needs flour" in message["content"]["text"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all the bad input: nothing of it changes the store."""
    with memdesk(tmp_path_factory.mktemp("home")) as opened:
        opened.open()
        yield opened


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("remember", {"text": ""}, "text: is empty"),
        ("remember", {"text": " \n\t"}, "text: is empty"),
        ("remember", {"text": "x" * 1_048_577}, "text: is 1,048,577 bytes long"),
        ("remember", {"text": "a\0b"}, "text: holds a NUL"),
        ("remember", {"text": "a\ud800b"}, "text: holds a lone surrogate"),
        ("remember", {"text": "x", "kind": "two words"}, "kind: must be"),
        ("remember", {"text": "x", "space": "../up"}, "space: must be"),
        ("remember", {"text": "x", "happened_at": "soon"}, "happened_at: “soon” is not a date"),
        ("remember", {"text": "x", "expires_at": "2026-02-30"}, "expires_at: “2026-02-30” is not"),
        ("remember", {"text": "x", "replaces": "nope"}, "replaces: “nope” is not an id"),
        ("remember", {"text": "x", "replaces": NEVER}, f"no memory has the id {NEVER}"),
        ("recall", {"query": "x", "space": " "}, "space: must be"),
        ("recall", {"query": "x", "since": "2026-13"}, "since: “2026-13” is not a date"),
        ("get", {"ids": ["nope"]}, "id"),
        ("get", {"ids": [NEVER]}, f"no memory has the id {NEVER}"),
        ("revise", {"id": NEVER, "text": "x"}, f"no memory has the id {NEVER}"),
        ("forget", {"ids": [NEVER]}, f"no memory has the id {NEVER}"),
    ],
)
def test_bad_input_is_refused(
    server: Session, tool: str, arguments: dict[str, object], said: str
) -> None:
    """Each bad argument gets one sentence that begins with its name, and nothing is kept."""
    text, failed = server.try_call(tool, **arguments)
    assert failed
    assert text.startswith(said)
    assert server.call("profile") == "What is always worth knowing (personal): nothing yet."
    assert "Nothing relevant" in server.call("recall", query="x")


def _kept(home: Path, text: str) -> int:
    """Return how many memories a new session finds with exactly this text."""
    with memdesk(home) as session:
        session.open()
        answer = session.request("resources/read", {"uri": "memories://recent"})
        session.leave()
        session.finish(GONE)
    shown: str = answer["result"]["contents"][0]["text"]
    return shown.splitlines().count(f"| {text}")


def test_a_host_that_leaves_behind_a_remember_may_retry_it(tmp_path: Path) -> None:
    """Input that ends right behind the call leaves it done or not done; retried, it is there once."""
    with memdesk(tmp_path) as session:
        session.open()
        session.ask("tools/call", {"name": "remember", "arguments": {"text": "tea at four"}})
        session.leave()
        assert session.finish(GONE) == 0
    with memdesk(tmp_path) as session:
        session.open()
        session.call("remember", text="tea at four")
    assert _kept(tmp_path, "tea at four") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_what_was_acknowledged_survives_any_end(tmp_path: Path, name: str) -> None:
    """Behind its answer, a memory is there whatever happens to the process."""
    with memdesk(tmp_path) as session:
        session.open()
        session.call("remember", text="tea at four")
        session.ask("tools/call", {"name": "recall", "arguments": {"query": "tea"}})
        session.process.send_signal(getattr(signal, name))
        session.finish(GONE)
    assert _kept(tmp_path, "tea at four") == 1


def test_two_hosts_share_what_they_remember(tmp_path: Path) -> None:
    """What one host's server was told, another's finds in its next call, under the writer's name."""
    with memdesk(tmp_path, client="one") as one, memdesk(tmp_path, client="two") as two:
        one.open()
        two.open()
        assert "Nothing relevant" in two.call("recall", query="tea")
        one.call("remember", text="tea at four", space="work")
        assert "Nothing relevant" in two.call("recall", query="tea")
        assert "from one (agent)" in two.call("recall", query="tea", space="work")


def test_a_session_has_the_space_it_was_started_with(tmp_path: Path) -> None:
    """With --space, memories go there, and personal ones are found from there too."""
    with memdesk(tmp_path) as session:
        session.open()
        session.call("remember", text="tea at home")
    with memdesk(tmp_path, "--space", "work") as session:
        session.open()
        assert session.call("remember", text="tea at work").endswith("in work.")
        found = session.call("recall", query="tea")
        assert "| tea at work" in found
        assert "| tea at home" in found


def test_a_home_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A relative MEMDESK_HOME fails each call with a sentence, and the server stays."""
    with Session([sys.executable, "-m", "memdesk", "mcp"], env={"MEMDESK_HOME": "here"}) as session:
        session.open()
        for _ in range(2):
            text, failed = session.try_call("recall", query="tea")
            assert failed
            assert text.startswith("MEMDESK_HOME: must be an absolute path")
        assert len(session.request("tools/list")["result"]["tools"]) == 6
