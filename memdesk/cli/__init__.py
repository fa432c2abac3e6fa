"""The command line, and the composition root: the only room that builds a service."""
