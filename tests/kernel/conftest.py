"""Small C programs that do exactly one thing, for what must be true by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import brokers
import call_stream
import prebuilt
import pytest
import table_broker
from tiers import require_command, require_root

from pytest_ebpf.broker import launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Compile all of tests/programs/NAME.c, before any window opens, and return what finds an executable's path."""
    require_command("gcc")
    folder = prebuilt.programs(tmp_path_factory)
    return lambda name: str(folder / name)


@pytest.fixture(scope="session")
def bpf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Compile all of tests/bpf, and return what finds an object's path."""
    folder = prebuilt.bpf_objects(tmp_path_factory)
    return lambda name: str(folder / f"{name}.bpf.o")


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """A run of the test's own, whose broker starts with the first who connects."""
    require_root()
    path = launch.new_run_directory()
    yield path
    launch.finish(path)


@pytest.fixture(scope="module")
def call_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run directory of a broker that lives as long as the module's tests.

    With a call table of their own in ``TABLE``, they are told what that says, whatever the product's says.
    """
    require_root()
    if hasattr(request.module, "TABLE"):
        folder = tmp_path_factory.mktemp("broker")
        kernel_programs = prebuilt.kernel_programs(request.path.stem, request.module.TABLE, folder)
        script = [table_broker.__file__, str(kernel_programs)]
        with brokers.running(folder / "run", script=script) as broker:
            assert "ready" in broker.first_line, broker.first_line
            yield broker.run_directory
        return
    path = launch.new_run_directory()
    yield path
    launch.finish(path)


@pytest.fixture
def tracing(call_broker: Path) -> Iterator[call_stream.Tracing]:
    """A session of this process, with a window open and all calls wanted."""
    with call_stream.tracing(call_broker) as session:
        yield session
