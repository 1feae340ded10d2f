"""What the engine says where a kernel or an installation cannot do it."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_ebpf.engine import loader, native
from pytest_ebpf.engine.loader import Engine
from pytest_ebpf.engine.probes import check_room
from pytest_ebpf.errors import BrokerError, Unavailable

RELEASE = os.uname().release


def refusal(engine: Engine) -> str:
    with pytest.raises(Unavailable) as caught:
        engine._check_features()
    return str(caught.value)


class Kernel:
    """libbpf, as an older or a stricter kernel makes it answer."""

    def __init__(self, lib: Any, lacks: set[int], *, refuses: bool = False) -> None:
        self._lib, self._lacks, self._refuses = lib, lacks, refuses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lib, name)

    def libbpf_probe_bpf_map_type(self, kind: int, options: object) -> int:  # noqa: ARG002 - libbpf's own
        return 0 if kind in self._lacks else 1

    def bpf_map_create(self, *arguments: object) -> int:  # noqa: ARG002 - libbpf's own
        return -1 if self._refuses else os.open(os.devnull, os.O_RDONLY)


def engine_on(lacks: set[str], *, refuses: bool = False) -> Engine:
    engine = Engine()
    engine._lib = Kernel(engine._lib, {getattr(engine._lib, name) for name in lacks}, refuses=refuses)
    if refuses:
        engine._ffi = SimpleNamespace(errno=errno.EPERM, NULL=engine._ffi.NULL)
    return engine


def test_a_kernel_without_btf_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    btf = tmp_path / "vmlinux"
    monkeypatch.setattr(loader, "_KERNEL_BTF", btf)
    assert refusal(Engine()) == (
        f"pytest-ebpf: this kernel ({RELEASE}) does not describe its types: {btf} is not there\n"
        "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF=y, 5.15 or later\n"
        "  try     a distribution's stock kernel: Debian 12, Ubuntu 22.04, Fedora, RHEL 9 and later have it"
    )


def test_a_kernel_that_is_too_old_is_refused_by_the_features_it_lacks() -> None:
    assert refusal(engine_on({"BPF_MAP_TYPE_TASK_STORAGE"})) == (
        f"pytest-ebpf: this kernel ({RELEASE}) cannot run the tracing programs\n"
        "  lacks   BPF task storage (kernel 5.11)\n"
        "  needs   kernel 5.15 or later with BTF"
    )
    both = refusal(engine_on({"BPF_MAP_TYPE_TASK_STORAGE", "BPF_MAP_TYPE_RINGBUF"}))
    assert "lacks   BPF ring buffers (kernel 5.8), BPF task storage (kernel 5.11)\n" in both


def test_a_kernel_that_has_them_all_is_not_refused() -> None:
    engine_on(set())._check_features()


def test_a_process_that_may_not_load_programs_is_told_what_it_needs() -> None:
    text = refusal(engine_on(set(), refuses=True))
    assert text.splitlines()[:2] == [
        "pytest-ebpf: the kernel refused to load the tracing programs: bpf(BPF_MAP_CREATE): EPERM",
        f"  needs   CAP_BPF and CAP_PERFMON in the initial user namespace (uid {os.geteuid()} here)",
    ]


def test_an_installation_without_the_kernel_objects_says_how_to_mend_it() -> None:
    path = Path(native.__file__).parent.parent / "objects" / "nothing.bpf.o"
    with pytest.raises(Unavailable) as caught:
        native.object_path("nothing")
    assert str(caught.value) == (
        f"pytest-ebpf: its compiled kernel programs are not there: {path}\n"
        "  try     pip install --force-reinstall pytest-ebpf"
    )


def test_more_places_than_there_are_descriptors_for_are_refused_with_how_many_fit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        check_room(185, 12, returns=False)
        check_room(93, 12, returns=True)
        with pytest.raises(BrokerError) as caught:
            check_room(10_000, 12, returns=True)
        with pytest.raises(BrokerError) as of_the_kernel:
            check_room(500, 12, returns=False, kind="kprobe")
        with pytest.raises(BrokerError, match="names 0 functions at most"):
            check_room(1, 400, returns=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "needs   kernel 5.19 or later with CONFIG_FPROBE=y, and kernel.kptr_restrict below 2, which attaches" in str(
        of_the_kernel.value
    )
    assert str(caught.value) == (
        f"10,000 places need 40,000 descriptors on this kernel ({os.uname().release}), which attaches to one place at a"
        " time, and the broker may have 512 open\n"
        "  needs   kernel 6.6 or later, which attaches to all of them at once\n"
        "  try     a pattern that names 93 functions at most; or a higher hard limit where the broker is started:"
        " ulimit -Hn 65536"
    )
