"""BPF programs of the user's own: how they are compiled, and what becomes of their events."""
