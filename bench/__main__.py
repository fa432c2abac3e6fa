"""`python -m bench NAME`: measures, prints, and judges nothing."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "growth": "bench.growth",
    "import": "bench.imports",
    "recall": "bench.recall.command",
    "speed": "bench.speed",
    "sync": "bench.sync",
    "tui": "bench.tui",
}


def main(argv: list[str]) -> int:
    """Run the benchmark that the first word names and return its exit code."""
    name, *options = argv or ["--help"]
    if name not in BENCHMARKS:
        print(f"usage: python -m bench {{{','.join(BENCHMARKS)}}} [--help]", file=sys.stderr)
        return 0 if name in ("-h", "--help") else 2
    try:
        benchmark = importlib.import_module(BENCHMARKS[name])
    except ModuleNotFoundError as error:
        print(
            f"{error.name} is missing; scripts/install dev brings what benchmarks need",
            file=sys.stderr,
        )
        return 1
    return int(benchmark.main(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
