"""System calls: their table, their names and arguments, and how they are asked for."""
