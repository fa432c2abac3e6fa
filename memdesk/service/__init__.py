"""The service's room: every rule about memories, for every front."""

from memdesk.service.desk import Service

__all__ = ["Service"]
