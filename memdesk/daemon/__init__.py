"""The one process that has a person's store open, for every host and command that asks."""
