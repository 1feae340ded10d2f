"""Processes."""

PROTOTYPES = """
execve          path:path argv:strings envp:ptr -> int
getpid          -> pid
getppid         -> pid
exit_group      status:int -> none
"""
