"""The MCP front: six tools, three resources and two prompts over one service."""
