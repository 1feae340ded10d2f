"""The pytest plugin. Runs in pytest: in the controller, and under xdist in each worker.

Every pytest run of a user imports this module: what traces is imported when a test asks for it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_ebpf import settings as settings_module
from pytest_ebpf.errors import EbpfError, ProgramError, Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from pytest_ebpf.settings import Settings
    from pytest_ebpf.trace import Trace
    from pytest_ebpf.tracer import Tracer

__all__ = ["ebpf_trace"]

_FIXTURE = "ebpf_trace"
_REPORTED_LINES = 200
"""Of the tree in a failing test's report, unless pytest is asked for everything (``-vv``)."""
_EVERYTHING = 2


class Run:
    """What this plugin holds for one pytest run in one process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = settings_module.from_config(config, dict(os.environ))
        self._tracer: Tracer | None = None
        self._refusal: EbpfError | None = None
        self._probes: list[Any] | None = None
        # Under xdist the controller chooses the directory and ends the broker; its workers share both.
        given = getattr(config, "workerinput", {}).get("pytest_ebpf")
        self._owner: int = given["owner"] if given else os.getpid()
        self._is_owner = given is None
        self._run_directory: str | None = given["run_directory"] if given else None

    def run_directory(self) -> Path:
        """Return the path of the run's directory, which the first who traces makes."""
        from pathlib import Path  # noqa: PLC0415 - see the module's first lines

        from pytest_ebpf.broker import launch  # noqa: PLC0415 - likewise

        if self._run_directory is None:
            self._run_directory = str(launch.new_run_directory())
        return Path(self._run_directory)

    def for_worker(self) -> dict[str, Any]:
        """Return what a worker needs to find the run's broker."""
        return {"owner": self._owner, "run_directory": str(self.run_directory())}

    def tracer(self) -> Tracer:
        """Return this process's tracer; what refused once, refuses again without a new attempt.

        Raises:
            EbpfError: Tracing is not possible.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._tracer is None:
            from pytest_ebpf.tracer import Tracer  # noqa: PLC0415 - see the module's first lines

            self._tracer = Tracer(
                self.run_directory(),
                self._owner,
                self.settings.broker,
                ends=self._is_owner,
                calls=not self.settings.syscalls.none,
            )
        return self._tracer

    def start(self, settings: Settings) -> None:
        """Open the session, before the first test; a refusal is kept for the tests that ask."""
        if settings.mode == "off":
            return
        try:
            self.tracer().history(settings.ring_size)
        except EbpfError as error:
            self._refusal = error

    def trace(self, settings: Settings, probes: Iterable[Any] = ()) -> Trace:
        """Return a new trace, whose window is not open yet.

        Args:
            settings: Of the test.
            probes: That the test asks for by markers.

        Raises:
            EbpfError: Tracing is not possible.
        """
        from pytest_ebpf.trace import Trace  # noqa: PLC0415 - see the module's first lines

        history = self.tracer().apply(settings)
        return Trace(history, remarks=self._remarks, probes=[*self._probes_of_the_run(), *probes])

    def _probes_of_the_run(self) -> list[Any]:
        if self._probes is None:
            self._probes = [each for some in self.config.hook.pytest_ebpf_probes(config=self.config) for each in some]
        return self._probes

    def _remarks(self, trace: Trace) -> Iterable[str]:
        return [line for lines in self.config.hook.pytest_ebpf_failure_text(trace=trace) for line in lines]

    def pull(self) -> None:
        """Take what has come between tests."""
        if self._tracer is not None:
            try:
                self._tracer.pull()
            except EbpfError as error:
                self._refusal = error

    def close(self) -> None:
        """End the session; in the controller, the run's broker too."""
        if self._tracer is not None:
            self._tracer.close()
        elif self._is_owner and self._run_directory is not None:
            from pytest_ebpf.broker import launch  # noqa: PLC0415 - see the module's first lines

            launch.finish(self.run_directory())


_RUN = pytest.StashKey[Run]()
_TRACE = pytest.StashKey["Trace"]()
_SETTINGS = pytest.StashKey["Settings"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini values."""
    settings_module.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks of `pytest_ebpf.hookspecs`."""
    from pytest_ebpf import hookspecs  # noqa: PLC0415 - registered as a module

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings; start nothing."""
    config.addinivalue_line("markers", settings_module.MARKER_HELP)
    try:
        config.stash[_RUN] = Run(config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started."""
    run = config.stash.get(_RUN, None)
    if run is not None:
        run.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the run's broker is, or will be."""
    node.workerinput["pytest_ebpf"] = node.config.stash[_RUN].for_worker()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the session once collection has found a test that asks for it."""
    if session.config.option.collectonly:
        return
    if any(_asks(item) for item in session.items):
        run = session.config.stash[_RUN]
        run.start(run.settings)


def _asks(item: pytest.Item) -> bool:
    return _FIXTURE in getattr(item, "fixturenames", ())


def _settings_of(item: pytest.Item) -> Settings:
    if _SETTINGS not in item.stash:
        item.stash[_SETTINGS] = settings_module.from_markers(item.config.stash[_RUN].settings, item)
    return item.stash[_SETTINGS]


def _prepare(item: pytest.Item) -> Trace:
    """Make the test's trace, or leave the test as the settings say."""
    if _TRACE not in item.stash:
        settings = _settings_of(item)
        if settings.mode == "off":
            pytest.skip("pytest-ebpf is switched off (--ebpf=off)")
        try:
            item.stash[_TRACE] = item.config.stash[_RUN].trace(settings, settings_module.marked_probes(item))
        except Unavailable as error:
            if settings.mode == "require":
                text = f"{error}\n  asked   to fail by --ebpf=require"
                raise pytest.fail.Exception(text, pytrace=False) from None
            raise pytest.skip.Exception(str(error)) from None
        except EbpfError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
    return item.stash[_TRACE]


def _opened(trace: Trace) -> Trace:
    """Open a trace's window, or fail the test by what its markers or the hook ask for."""
    try:
        return trace.open()
    except EbpfError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def ebpf_trace(request: pytest.FixtureRequest) -> Generator[Trace]:
    """Trace the test's process and all that descends from it: a `pytest_ebpf.Trace`.

    The window is open as long as the fixture lives, unless ``@pytest.mark.ebpf(window=...)`` says otherwise.
    """
    item = cast("pytest.Item", request.node)
    try:
        settings = _settings_of(item)
    except UsageError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    trace = _prepare(item)
    if settings.window == "fixture":
        with contextlib.closing(_opened(trace)):
            yield trace
    else:
        yield trace


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Open the window before all fixtures, if it spans the whole test."""
    if _asks(item):
        try:
            settings = _settings_of(item)
        except UsageError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if settings.window == "test":
            _opened(_prepare(item))
    return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Open the window around the test function, if it spans no more."""
    if _TRACE in item.stash and _settings_of(item).window == "call":
        with contextlib.closing(_opened(item.stash[_TRACE])):
            return (yield)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Close the window and show it to the other plugins; after any test, take what has come."""
    try:
        return (yield)
    finally:
        trace = item.stash.get(_TRACE, None)
        try:
            if trace is not None:
                trace.close()
                item.ihook.pytest_ebpf_window_closed(item=item, trace=trace)
        finally:
            item.config.stash[_RUN].pull()


def _first_of(lines: list[str]) -> list[str]:
    hidden = len(lines) - _REPORTED_LINES
    return lines if hidden <= 0 else [*lines[:_REPORTED_LINES], f"… and {hidden:,} more: pytest -vv shows them"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the tree of the window into the report of a test that failed, and why its own program did not load."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if report.failed and isinstance(error, ProgramError) and error.log:
        report.sections.append((f"{_FIXTURE} log of its program", error.log))
    trace = item.stash.get(_TRACE, None)
    if report.failed and trace is not None:
        try:
            from pytest_ebpf.domains import program_rows  # noqa: PLC0415 - see the module's first lines

            everything = item.config.get_verbosity() >= _EVERYTHING
            told = (trace.tree().splitlines(), program_rows(trace.window))
            lines = [line for each in told for line in (each if everything else _first_of(each))]
            text = "\n".join([*lines, str(trace.losses)])
        except EbpfError as error:
            text = str(error)
        report.sections.append((f"{_FIXTURE} {report.when}", text))
    return report
