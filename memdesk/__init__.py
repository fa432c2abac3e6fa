"""memdesk: the desk where one person's AI memory lives."""

__version__ = "0.1.0"
