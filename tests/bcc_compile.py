"""Compiles a text as BCC does, and tells what it generated: ``python3 bcc_compile.py <text >functions.json``.

For the system's Python, which has BCC. Nothing is loaded.
"""

from __future__ import annotations

import json
import sys

import bcc

module = bcc.BPF(text=sys.stdin.read())
names = [bcc.lib.bpf_function_name(module.module, at) for at in range(bcc.lib.bpf_num_functions(module.module))]
json.dump({name.decode(): module.dump_func(name).hex() for name in names}, sys.stdout)
