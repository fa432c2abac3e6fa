"""The store's room: the only one that knows LanceDB and Arrow."""

from memdesk.store.beside import Beside, coming_count, drop_wish, searchable, wish
from memdesk.store.lapsed import (
    drop_revisions,
    drop_tombstones,
    erased,
    lapsed,
    old_revisions,
    old_tombstones,
)
from memdesk.store.opening import VERSION, open_store
from memdesk.store.schema import PassageRow
from memdesk.store.search import Sought
from memdesk.store.stamp import read_stamp
from memdesk.store.store import Head, Store
from memdesk.store.upkeep import (
    indexed_until,
    maintain,
    maintenance_due,
    request_scrub,
    whole_check_due,
)

__all__ = [
    "VERSION",
    "Beside",
    "Head",
    "PassageRow",
    "Sought",
    "Store",
    "coming_count",
    "drop_revisions",
    "drop_tombstones",
    "drop_wish",
    "erased",
    "indexed_until",
    "lapsed",
    "maintain",
    "maintenance_due",
    "old_revisions",
    "old_tombstones",
    "open_store",
    "read_stamp",
    "request_scrub",
    "searchable",
    "whole_check_due",
    "wish",
]
