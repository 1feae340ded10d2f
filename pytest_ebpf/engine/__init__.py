"""The engine: the kernel programs' Python side.

``loader.py`` and ``objects.py`` run in the broker, ``session.py`` in the client; ``ring.py``, ``control.py``,
``layout.py`` and ``records.py`` serve both.
"""
