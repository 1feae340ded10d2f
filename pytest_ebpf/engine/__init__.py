"""The engine: the kernel programs' Python side.

``loader.py`` runs in the broker, ``session.py`` in the client; ``ring.py``, ``control.py``,
``layout.py`` and ``records.py`` serve both.
"""

from __future__ import annotations

from pytest_ebpf.engine.native import capability_names

__all__ = ["capability_names"]
