"""The types of the running kernel."""

from __future__ import annotations

from pytest_ebpf.probes.btf_types import kernel_btf
from pytest_ebpf.probes.types import PointerTo, Structure


def test_the_kernel_s_functions_and_structures_are_known() -> None:
    btf = kernel_btf()
    assert str(btf.signature("do_unlinkat")) == "s32 do_unlinkat(s32 dfd, struct filename * name)"
    task = btf.structure("task_struct")
    fields = {field.name: field for field in task.fields}
    mm = fields["mm"].type
    assert isinstance(mm, PointerTo)
    inner = mm.target()
    assert isinstance(inner, Structure)
    assert inner.name == "struct mm_struct"
    assert "exe_file" in {field.name for field in inner.fields}


def test_the_arguments_of_a_tracepoint_are_known() -> None:
    names = [name for name, _ in kernel_btf().tracepoint("sched_process_fork").arguments]
    assert names == ["parent", "child"]
