"""Function calls: asking for probes, and asserting on what they saw."""
