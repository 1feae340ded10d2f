"""``python -m pytest_ebpf``: the same as ``pytest-ebpf``, where no script of that name is on the path."""

from __future__ import annotations

import sys

from pytest_ebpf.cli import main

sys.exit(main())
