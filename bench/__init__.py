"""Benchmarks against naive peers, side by side in one run. Each writes a table to bench/results when asked to."""
