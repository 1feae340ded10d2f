"""The host: a process of the broker's that holds users' BPF programs, so that theirs cannot harm the broker.

What libbpf, BCC or clang do to their process, how long they take and how much memory, is this one's alone.
"""
