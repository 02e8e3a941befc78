"""The programs of ``tools/benchmark.py``."""
