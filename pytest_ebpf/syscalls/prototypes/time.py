"""Time."""

PROTOTYPES = """
nanosleep       duration:timespec remaining:timespec(out) -> int
"""
