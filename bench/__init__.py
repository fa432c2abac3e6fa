"""Benchmarks: they print what they measure beside what it should be, and judge nothing."""
