"""Probes as data: what to read when a function is called, and what was read."""
