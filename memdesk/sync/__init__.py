"""Sync: what the person marks for a remote goes there, and what others share comes back (docs/SYNC.md)."""
