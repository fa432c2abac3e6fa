"""The hosts' room: which AI hosts there are, where they keep their servers, which start memdesk.

And putting memdesk into their files, and taking it out again.
"""

from memdesk.hosts.entries import Config, Entry, configs, entries
from memdesk.hosts.known import HOSTS, Host, Surroundings

__all__ = ["HOSTS", "Config", "Entry", "Host", "Surroundings", "configs", "entries"]
