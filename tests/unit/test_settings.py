"""What the settings take, and the whole text of what they say to what they do not take."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_ebpf.errors import UsageError
from pytest_ebpf.settings import Settings, Syscalls, from_config, from_markers, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping


def config(options: Mapping[str, str] | None = None, ini: Mapping[str, str] | None = None) -> pytest.Config:
    """What a command line and an ini file gave, by the setting's name and by the ini value's."""
    asked = {f"pytest_ebpf_{name}": value for name, value in (options or {}).items()}
    return cast("pytest.Config", SimpleNamespace(getoption=asked.get, getini=(ini or {}).get))


def item(*markers: pytest.MarkDecorator) -> pytest.Item:
    """A test with these markers, the closest first."""
    found = [marker.mark for marker in markers]
    return cast("pytest.Item", SimpleNamespace(iter_markers=lambda name: (m for m in found if m.name == name)))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        (4096, 4096),
        ("64k", 65536),
        ("64K", 65536),
        ("64KiB", 65536),
        ("64kB", 65536),
        (" 8M ", 8 << 20),
        ("1G", 1 << 30),
        ("0", 0),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(text: str | int, size: int) -> None:
    assert parse_size(text, "it") == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1.5M", "8 T", "0x10", "eight"])
def test_what_is_no_size_is_named_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="such as 8M") as error:
        parse_size(text, "--ebpf-ring-size")
    assert str(error.value) == (
        f"--ebpf-ring-size: {text!r} is no size; write bytes, or a number with K, M or G, such as 8M"
    )


KEYS = "ring_size, window, environ, argv_limit, syscalls, data_limit, children_only"
CALLS = "write all, none, or names, patterns and groups such as %file"
RING = "a ring has a power of two of bytes, from 64K to 1G, not {}; try 8M"
BAD = {
    ("mode", "maybe"): "'maybe' is not one of auto, require, off",
    ("window", "all"): "'all' is not one of fixture, test, call",
    ("ring_size", "3M"): RING.format("3M"),
    ("ring_size", "32K"): RING.format("32K"),
    ("ring_size", "2G"): RING.format("2G"),
    ("ring_size", "0"): RING.format("0"),
    ("ring_size", "big"): "'big' is no size; write bytes, or a number with K, M or G, such as 8M",
    ("argv_limit", "3M"): "at most 2M of arguments can be copied, not 3M",
    ("argv_limit", "-1"): "'-1' is no size; write bytes, or a number with K, M or G, such as 8M",
    ("environ", "perhaps"): "'perhaps' is neither true nor false",
    (
        "syscalls",
        "opnat",
    ): f"there is no system call 'opnat' on this machine; did you mean 'openat' or 'openat2'? ({CALLS})",
    (
        "syscalls",
        "!opnat",
    ): f"there is no system call 'opnat' on this machine; did you mean 'openat' or 'openat2'? ({CALLS})",
    ("syscalls", "zz*"): f"no system call on this machine has a name like 'zz*' ({CALLS})",
    ("syscalls", ""): f"there is no system call '' on this machine ({CALLS})",
    ("data_limit", "17K"): "at most 16K of a call's data can be copied, not 17K",
    ("data_limit", "-1"): "'-1' is no size; write bytes, or a number with K, M or G, such as 8M",
    ("children_only", "perhaps"): "'perhaps' is neither true nor false",
}


@pytest.mark.parametrize(("name", "value"), [key for key in BAD if key[1]])
def test_a_bad_value_is_named_with_where_it_came_from_and_the_good_ones(name: str, value: str) -> None:
    option = "--ebpf" if name == "mode" else f"--ebpf-{name.replace('_', '-')}"
    ini = "ebpf" if name == "mode" else f"ebpf_{name}"
    with pytest.raises(UsageError, match=f"^{re.escape(f'{option}: {BAD[name, value]}')}$"):
        from_config(config({name: value}), {})
    with pytest.raises(UsageError, match=f"^{re.escape(f'the ini value {ini}: {BAD[name, value]}')}$"):
        from_config(config(ini={ini: value}), {})


@pytest.mark.parametrize(("name", "value"), [key for key in BAD if key[0] != "mode"])
def test_a_bad_value_in_a_marker_is_named_likewise(name: str, value: str) -> None:
    text = f"@pytest.mark.ebpf({name}=...): {BAD[name, value]}"
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        from_markers(Settings(), item(pytest.mark.ebpf(**{name: value})))


@pytest.mark.parametrize("name", ["ring", "mode", "broker"])
def test_a_marker_without_such_a_setting_names_those_it_has(name: str) -> None:
    text = f"@pytest.mark.ebpf has no setting {name!r}; it has {KEYS}, probes"
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        from_markers(Settings(), item(pytest.mark.ebpf(**{name: "auto"})))


def test_a_marker_takes_names_only() -> None:
    text = "@pytest.mark.ebpf takes names only, such as ring_size='16M', not '8M'"
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        from_markers(Settings(), item(pytest.mark.ebpf("8M")))


def test_without_a_word_the_defaults_hold() -> None:
    assert from_config(config(), {}) == Settings(
        mode="auto",
        broker=None,
        ring_size=8 << 20,
        window="fixture",
        environ=False,
        argv_limit=128 << 10,
        syscalls=Syscalls("all"),
        data_limit=0,
        children_only=False,
    )


def test_an_empty_ini_value_is_none() -> None:
    assert from_config(config(ini={"ebpf": "", "ebpf_ring_size": ""}), {}) == Settings()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("Yes", True), ("1", True), ("off", False), ("0", False)])
def test_a_flag_is_said_in_many_ways(text: str, value: bool) -> None:
    assert from_config(config({"environ": text}), {}).environ is value


GOOD: dict[str, tuple[str, Any, str, Any]] = {
    "mode": ("require", "require", "off", "off"),
    "broker": ("/a/socket", "/a/socket", "/b/socket", "/b/socket"),
    "ring_size": ("1M", 1 << 20, "2M", 2 << 20),
    "window": ("call", "call", "test", "test"),
    "environ": ("true", True, "false", False),
    "argv_limit": ("0", 0, "64K", 64 << 10),
    "syscalls": ("openat,close", Syscalls("openat,close"), "none", Syscalls("none")),
    "data_limit": ("1K", 1 << 10, "64", 64),
    "children_only": ("yes", True, "no", False),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_option_comes_before_the_ini_value(name: str) -> None:
    text, value, other_text, other = GOOD[name]
    ini = {"ebpf" if name == "mode" else f"ebpf_{name}": other_text}
    assert getattr(from_config(config(ini=ini), {}), name) == other
    assert getattr(from_config(config({name: text}, ini), {}), name) == value


def test_the_broker_of_the_environment_comes_last() -> None:
    environment = {"PYTEST_EBPF_BROKER": "/from/environment"}
    assert from_config(config(), environment).broker == "/from/environment"
    assert from_config(config(), {"PYTEST_EBPF_BROKER": ""}).broker is None
    assert from_config(config(ini={"ebpf_broker": "/from/ini"}), environment).broker == "/from/ini"
    assert from_config(config({"broker": "/from/option"}), environment).broker == "/from/option"


def test_the_closest_marker_comes_before_the_others_and_all_before_the_run() -> None:
    run = Settings(ring_size=4 << 20, window="test", argv_limit=1)
    closest, outer = pytest.mark.ebpf(ring_size="1M"), pytest.mark.ebpf(ring_size="2M", environ=True)
    assert from_markers(run, item(closest, outer)) == Settings(
        ring_size=1 << 20, window="test", environ=True, argv_limit=1
    )
