"""Backup files: one zip with all tables of a store, checked by its sums, encrypted on wish."""
