"""The smallest server the MCP SDK makes: what every server's start is measured against.

With --no-rich it lacks a package that the SDK imports when it is installed, as ours does.
"""

import sys

if "--no-rich" in sys.argv:
    sys.modules["rich"] = None  # type: ignore[assignment]

from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
def nothing() -> str:
    """Do nothing."""
    return ""


if __name__ == "__main__":
    server.run("stdio")
