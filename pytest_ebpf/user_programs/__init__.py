"""BPF programs of users' own, as the test sees them: their maps, their variables and their events."""
