"""Sphinx settings; every warning is an error (``tox -e docs``)."""

from __future__ import annotations

project = "pytest-ebpf"
author = "the pytest-ebpf contributors"
copyright = author  # noqa: A001 - Sphinx's name for it

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "pytest-ebpf"
