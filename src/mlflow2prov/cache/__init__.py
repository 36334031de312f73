"""Incremental extraction: a file that remembers what was read, and what the store has forgotten since."""
