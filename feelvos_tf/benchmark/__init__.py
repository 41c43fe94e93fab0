"""Measurements of speed and memory, as functions that `feelvos-benchmark` calls."""
