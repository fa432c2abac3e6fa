"""The store's room: the only one that knows LanceDB and Arrow."""

from memdesk.store.opening import VERSION, open_store, store_for_model
from memdesk.store.schema import PassageRow
from memdesk.store.search import Sought
from memdesk.store.store import Head, Store
from memdesk.store.upkeep import (
    drop_tombstones,
    indexed_until,
    lapsed,
    maintain,
    maintenance_due,
    old_tombstones,
    request_scrub,
    whole_check_due,
)

__all__ = [
    "VERSION",
    "Head",
    "PassageRow",
    "Sought",
    "Store",
    "drop_tombstones",
    "indexed_until",
    "lapsed",
    "maintain",
    "maintenance_due",
    "old_tombstones",
    "open_store",
    "request_scrub",
    "store_for_model",
    "whole_check_due",
]
