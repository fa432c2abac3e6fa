"""User-given strings as predicates: none of them can mean anything but itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memdesk.memory import Draft, Filter
from memdesk.service.drafting import check
from memdesk.store import schema
from memdesk.store.engine import lancedb
from memdesk.store.filters import both, equals, has_all, literal, one_of, where

if TYPE_CHECKING:
    from lancedb.table import Table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HOSTILE = st.text(
    st.sampled_from("'\"\\%_;-/*\0\n\r\t`$()[]{}é東🎉") | st.characters(exclude_categories=["Cs"]),
    max_size=40,
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Return a table of memories."""
    db = lancedb.connect(str(tmp_path_factory.mktemp("filters")))
    return db.create_table("memories", schema=schema.MEMORIES)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=HOSTILE, other=HOSTILE)
def test_any_string_finds_itself_and_nothing_else(table: Table, value: str, other: str) -> None:
    """Quotes, backslashes, NUL, %, comments and unicode reach LanceDB as plain text."""
    base = check(Draft("x"), NOW).memory
    tagged = replace(base, speaker=value, tags=(value,), seq=1)
    decoy = replace(base, speaker=other + "'", tags=(other + "'",), seq=2)
    table.add(schema.memory_rows([tagged, decoy]), mode="overwrite")

    def found(predicate: str) -> set[int]:
        return set(table.search().where(predicate).to_arrow().column("seq").to_pylist())

    expected = {1, 2} if value == other + "'" else {1}
    assert found(equals("speaker", value)) == expected
    assert found(one_of("speaker", [value])) == expected
    assert found(has_all("tags", [value])) == expected


def test_literals_are_sql() -> None:
    """Each kind of value has its own form."""
    assert literal(None) == "NULL"
    assert literal(value=True) == "true"
    assert literal(7) == "7"
    assert literal("it's") == "'it''s'"
    assert literal(NOW) == "timestamp '2026-11-21 00:00:00.000000'"


def test_nothing_is_in_an_empty_list() -> None:
    """An empty list of values matches no row instead of being a syntax error."""
    assert one_of("id", []) == "false"


def test_conditions_are_joined_and_blanks_left_out() -> None:
    """A condition that holds OR keeps its own brackets."""
    assert both("a OR b", "", "c") == "(a OR b) AND (c)"


def test_a_source_is_one_of_those_named() -> None:
    """The truth keeps it in a structure, the passages in a column."""
    wanted = Filter(states=(), sources=("cursor", "it's"), expired=True)
    assert where(wanted, NOW, at="at") == "(source.name IN ('cursor', 'it''s'))"
    assert where(wanted, NOW, at="at", source="source") == "(source IN ('cursor', 'it''s'))"


def test_the_plainest_filter_asks_for_live_and_unexpired() -> None:
    """Without wishes only what lives and has not expired is read."""
    assert where(Filter(), NOW, at="at") == (
        "(state IN ('live')) AND "
        "(expires_at IS NULL OR expires_at > timestamp '2026-11-21 00:00:00.000000')"
    )
