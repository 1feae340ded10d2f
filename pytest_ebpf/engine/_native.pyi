# What cffi makes of native_build.py, for mypy alone.
from typing import Any

ffi: Any
lib: Any
