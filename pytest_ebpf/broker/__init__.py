"""The broker: the one privileged process of a run, and the way to it.

``__main__.py``, ``server.py``, ``connection.py``, ``spill.py`` and ``place.py`` run in the broker;
``launch.py`` and ``client.py`` in pytest; ``protocol.py`` and ``privilege.py`` in both.
"""
