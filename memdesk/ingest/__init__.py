"""The room of what comes in and goes out: other programs' files to drafts, and memories to files."""
