"""`python -m bench NAME`: measures, prints, and judges nothing."""

from __future__ import annotations

import sys

from bench import speed
from bench.recall import command as recall

BENCHMARKS = {"recall": recall.main, "speed": speed.main}


def main(argv: list[str]) -> int:
    """Run the benchmark that the first word names and return its exit code."""
    name, *options = argv or ["--help"]
    if name not in BENCHMARKS:
        print(f"usage: python -m bench {{{','.join(BENCHMARKS)}}} [--help]", file=sys.stderr)
        return 0 if name in ("-h", "--help") else 2
    return BENCHMARKS[name](options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
