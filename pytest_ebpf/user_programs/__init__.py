"""BPF programs of the user's own: how they are compiled, their maps, variables and events."""
