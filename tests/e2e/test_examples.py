"""The examples pass as they stand, and say what is wrong when what they assert is not so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from bcc_here import require_bcc
from e2e import inner
from tiers import require_command, require_root, unable

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = {"test_bubblewrap.py": ["bwrap"], "test_git.py": ["git"], "test_make.py": ["make", "gcc"]}
COMMANDS["test_function_arguments.py"] = ["gcc"]
COMMANDS["test_function.py"] = ["gcc"]
COMMANDS["test_identity.py"] = ["unshare"]
FIELDS = EXAMPLES / "fields"
WITHOUT_KPROBES = "this kernel was built without kprobes"


class Inversion(NamedTuple):
    """One assertion of an example, turned round, and lines that the failure must show, in this order."""

    example: str
    test: str
    assertion: str
    inverted: str
    lines: list[str]  # regular expressions, each from the start of a line

    def __str__(self) -> str:
        return f"{self.example}::{self.test}"


INVERSIONS = [
    Inversion(
        "test_bcc.py",
        "test_its_lines_are_not",
        'reads = program.assert_event("large_reads", comm="wc", count=lambda number: number > 100)',
        'reads = program.assert_no_event("large_reads", comm="wc")',
        [
            (
                r"E +AssertionError: expected no program event written: <text>, large_reads, comm='wc'   "
                r"\(\d+ of \d+ matched\)$"
            ),
            r'E +matched   \+\S+ m?s  ?\d+ <text>: large_reads \{bytes=\d+, comm="wc"\}$',
            r"E +processes \d+ .* \(the test\)$",
            r"E +└─ \d+ wc -l .*exit 0",
            r"E +window    \d+ events, .*0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_function_arguments.py",
        "test_the_structure_that_reaches_the_function",
        'ebpf_trace.assert_called("accept_exp", num=2, name="keqing", count=1)',
        'ebpf_trace.assert_called("accept_exp", num=2, name="kequing", count=1)',
        [
            r"E +AssertionError: expected 1 function call made: accept_exp, num=2, name='kequing'   \(0 of 3 ",
            r'E +closest   \+\S+ m?s  \d+ accept_exp\(t=\{num=2, name="keqing"\}\)   ← differs: name$',
            r"E +name: b'keqing', asked 'kequing'$",
            r"E +└─ \d+ /.*exit 0",
            r"E +window    \d+ events, [\d,]+ calls, 3 function calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_function_arguments.py",
        "test_what_a_user_types_never_becomes_part_of_a_statement",
        """ebpf_trace.assert_not_called("sqlite3_prepare_v2", sql=glob("*OR '1'*"))""",
        """ebpf_trace.assert_not_called("sqlite3_prepare_v2", sql=glob("*name = ?"))""",
        [
            r"E +AssertionError: expected no function call made: sqlite3_prepare_v2, sql=glob\('\*name = \?'\)   \(1 ",
            r'E +matched   \+\S+ m?s  \d+ sqlite3_prepare_v2\(db=0x\w+, sql="SELECT name FROM users WHERE name = ',
        ],
    ),
    Inversion(
        "test_durability.py",
        "test_a_database_that_is_only_read_is_not_written",
        "read.assert_no_syscall(family.write, path=path)",
        "read.assert_syscall(family.write, path=path)",
        [
            r"E +AssertionError: expected a system call made: family\.write, path='/.*/shop\.db'   \(0 of \d+ ",
            r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_durability.py",
        "test_a_commit_is_on_the_disk_before_its_journal_goes",
        """            call(family.fsync, path="shop.db"),
            call(family.unlink, path="shop.db-journal"),
""",
        """            call(family.unlink, path="shop.db-journal"),
            call(family.fsync, path="shop.db"),
""",
        [r"E +AssertionError: expected .*", r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$"],
    ),
    Inversion(
        "test_bubblewrap.py",
        "test_the_program_is_alone_in_namespaces_of_its_own",
        'ebpf_trace.assert_spawned("id", parent=shell, in_namespaces_of=shell, exit_code=0)',
        'ebpf_trace.assert_not_spawned("id", parent=shell, in_namespaces_of=shell, exit_code=0)',
        [
            (
                r"E +AssertionError: expected no process spawned: name='id', parent=<Process \d+ sh -c 'id; true'.*>, "
                r"in_namespaces_of=<Process .*>, exit_code=0   \(1 of 4 matched\)$"
            ),
            r"E +matched   \+\S+ m?s  \d+ id \(exit 0\)$",
            r"E +processes \d+ .* \(the test\)$",
            r"E +└─ \d+ bwrap --ro-bind .*exit 0",
            r"E +└─ \d+ bwrap .*forked, .*new cgroup ipc mnt net pid user uts, pid 1 inside\)$",
            r"E +└─ \d+ sh -c 'id; true' .*pid 2 inside\)$",
            r"E +└─ \d+ id \(.*pid 3 inside\)$",
            r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_namespaces.py",
        "test_only_what_unshare_forks_is_in_the_new_pid_namespace",
        'ebpf_trace.assert_spawned("sh", new_namespaces={"user", "mnt", "pid"})',
        'ebpf_trace.assert_spawned("sh", new_namespaces={"user", "mnt", "pid", "net"})',
        [
            (
                r"E +AssertionError: expected a process spawned: name='sh', "
                r"new_namespaces=\{'mnt', 'net', 'pid', 'user'\}   \(0 of 2 matched\)$"
            ),
            r"E +closest   \+\S+ m?s  \d+ sh -c 'true; exit 0' \(exit 0\)   ← differs: new_namespaces$",
            r"E +new_namespaces: \{'mnt', 'pid', 'pid_for_children', 'user'\}, asked \{'mnt', 'net', 'pid', 'user'\}$",
            r"E +processes \d+ .* \(the test\)$",
            r"E +└─ \d+ unshare --user --map-root-user --pid --fork .*new mnt user\)$",
            r"E +└─ \d+ sh -c 'true; exit 0' \(.*new mnt pid user, pid 1 inside\)$",
            r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_namespaces.py",
        "test_a_command_that_does_not_enter_stays_outside",
        'ebpf_trace.assert_not_spawned("sh", in_namespaces_of=namespaces_of(box, "net"))',
        'ebpf_trace.assert_spawned("sh", in_namespaces_of=namespaces_of(box, "net"))',
        [
            r"E +AssertionError: expected a process spawned: name='sh', in_namespaces_of=.*   \(0 of 2 matched\)$",
            r"E +closest   \+\S+ m?s  \d+ sh -c true \(exit 0\)   ← differs: in_namespaces_of$",
            r"E +in_namespaces_of: in another net, asked ",
            r"E +├─ \d+ unshare .* → sleep 60 \(.*running, new net user\)$",
            r"E +└─ \d+ sh -c true ",
        ],
    ),
    Inversion(
        "test_git.py",
        "test_a_clone_by_path_copies_the_files_and_makes_no_pack",
        'clone.assert_not_spawned(argv=[..., "pack-objects", ...])',
        'clone.assert_spawned(argv=[..., "pack-objects", ...])',
        [
            (
                r"E +AssertionError: expected a process spawned: argv=\[\.\.\., 'pack-objects', \.\.\.\]   "
                r"\(0 of 3 matched\)$"
            ),
            r"E +closest   \+\S+ m?s  \d+ .* \(exit 0\)   ← differs: argv$",
            r"E +argv: \['.*, asked \[\.\.\., 'pack-objects', \.\.\.\]$",
            r"E +processes \d+ .* \(the test\)$",
            r"E +└─ \d+ git clone --quiet ",  # the window is the section: no git of the fixtures
            r"E +└─ \d+ /bin/sh -c 'git-upload-pack ",
            r"E +└─ \d+ git-upload-pack /",
            r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_make.py",
        "test_each_file_is_compiled_once_and_all_are_linked_once",
        'argv=[..., "-O2", ...], parent=driver',
        'argv=[..., "-O3", ...], parent=driver',
        [
            (
                r"E +AssertionError: expected a process spawned: name='cc1', argv=\[\.\.\., '-O3', \.\.\.\], "
                r"parent=<Process \d+ gcc .* -c -o hello\.o hello\.c .*>, exit_code=0   \(0 of \d+ matched\)$"
            ),
            r"E +closest   \+\S+ m?s  \d+ /.*/cc1 .* \(exit 0\)   ← differs: argv$",
            r"E +argv: \['/.*/cc1', .*, asked \[\.\.\., '-O3', \.\.\.\]$",
            r"E .*   ← differs: argv, parent$",
            r"E +processes \d+ .* \(the test\)$",
            r"E +└─ \d+ make --silent \(",
            r"E +├─ \d+ gcc -O2 -DGREETING=1 -c -o hello\.o hello\.c \(",
            r"E +│  ├─ \d+ /.*/cc1 ",
            r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "test_make.py",
        "test_each_file_is_compiled_once_and_all_are_linked_once",
        'ebpf_trace.assert_spawned("cc1", count=2)',
        'ebpf_trace.assert_spawned("cc1", count=1)',
        [
            r"E +AssertionError: expected .*1 process.* spawned: name='cc1'.*   \(2 of \d+ matched\)$",
            r"E .*\d+ /.*/cc1 ",
            r"E .*\d+ /.*/cc1 ",
            r"E +└─ \d+ make --silent \(",
        ],
    ),
    Inversion(
        "test_daemon.py",
        "test_it_is_the_only_one_left_over_until_it_is_ended",
        "assert ebpf_trace.leftovers == [daemon]",
        "assert not ebpf_trace.leftovers",
        [
            r"E +assert not <1 process left over: \d+ /bin/sleep 60 \(running\)>$",
            r"-+ ebpf_trace call -+$",
            r"\d+ .* \(the test\)$",
            r"└─ \d+ /sbin/start-stop-daemon --start .*exit 0",
            r" +└─ \d+ /sbin/start-stop-daemon .*forked, exit 0",
            r" +└─ \d+ /bin/sleep 60 \(.*running\)$",
            r"0 lost$",
        ],
    ),
    Inversion(
        "fields/test_pid.py",
        "test_with_co_re",
        'program.assert_event("typed", direct=pid, process=child, count=1)',
        'program.assert_event("typed", direct=-pid, process=child)',
        [
            r"E +AssertionError: expected a program event written: pid\.bpf\.c, typed, direct=-\d+, process=\d+   \(0 ",
            r"E +closest   \+\S+ m?s \d+ pid\.bpf\.c: typed \{direct=\d+\}   ← differs: direct$",
            r"E +direct: \d+, asked -\d+$",
            r"E +└─ \d+ true \(.*exit 0",
            r"E +window    \d+ events, [\d,]+ calls, 0 lost, 0 truncated$",
        ],
    ),
    Inversion(
        "fields/test_executable.py",
        "test_the_inode_with_co_re",
        '"inode_number", direct=inode, read=inode,',
        '"inode_number", direct=inode, read=inode + 1,',
        [
            r"E +AssertionError: expected 1 program event written: executable\.bpf\.c, inode_number, direct=",
            r"E +closest   \+\S+ m?s \d+ executable\.bpf\.c: inode_number \{direct=\d+, .*\}   ← differs: read$",
            r"E +read: \d+, asked \d+$",
        ],
    ),
    Inversion(
        "fields/test_identity.py",
        "test_as_the_process_sees_itself[CO-RE]",
        'program.assert_event("identity", own_pid=pid, own_ppid=ppid, comm="sh", count=1)',
        'program.assert_event("identity", own_pid=pid + 1, own_ppid=ppid, comm="sh", count=1)',
        [
            r"E +AssertionError: expected 1 program event written: .*, own_pid=3, own_ppid=1, comm='sh'   \(0 of \d+ ",
            r'E +closest   .*identity \{pid=\d+, ppid=\d+, own_pid=2, own_ppid=1, comm="sh"\}   ← differs: own_pid$',
            r"E +own_pid: 2, asked 3$",
            r"E +└─ \d+ sh -c 'echo \$\$ \$PPID' \(.*pid 2 inside\)$",
        ],
    ),
    Inversion(
        "fields/test_connection.py",
        "test_a_connection_whose_window_is_full",
        "bitfield=1, bitfield_probed=1",
        "bitfield=1, bitfield_probed=0",
        [
            r"E +AssertionError: expected 1 program event written: connection\.bpf\.c, closed, local_port=",
            r"E +closest   .*: closed \{local_port=\d+, bitfield=1, bitfield_probed=1\}   ← differs: bitfield_probed$",
            r"E +bitfield_probed: 1, asked 0$",
        ],
    ),
    Inversion(
        "fields/test_function.py",
        "test_a_structure_without_its_header[CO-RE]",
        'program.assert_event("accepted", num=7, name="keqing", name_by_declaration="keqing", count=1)',
        'program.assert_no_event("accepted", num=7, name="keqing")',
        [
            r"E +AssertionError: expected no program event written: .*, accepted, num=7, name='keqing'   \(1 of 1 ",
            r'E +matched   .*: accepted \{num=7, name="keqing", name_by_declaration="keqing"\}$',
        ],
    ),
    Inversion(
        "fields/test_system_call.py",
        "test_the_arguments_of_a_system_call",
        "parm4=4, parm5=5",
        "parm4=5, parm5=5",
        [
            r"E +AssertionError: expected 1 program event written: system_call\.bpf\.c, arguments, .*, parm4=5, ",
            r"E +closest   .*: arguments \{parm1=1, parm2=-2, .*\}   ← differs: parm4$",
            r"E +parm4: 4, asked 5$",
        ],
    ),
]


def run(example: Path, work: Path, test: str = "") -> str:
    """Run a file of examples, or one of them, as a user would; return what that prints."""
    require_command(*COMMANDS.get(example.name, []))
    if example.name == "test_bcc.py":
        require_bcc()
    output = inner.run("-rsf", f"--basetemp={work / 'base'}", f"{example}::{test}" if test else example)
    if skipped := re.search(r"^SKIPPED .*", output, re.MULTILINE):
        if WITHOUT_KPROBES in skipped[0]:
            pytest.skip(f"{skipped[0]}: tests/vm runs it on others")
        unable(skipped[0])
    return output


def name_of(example: Path) -> str:
    return str(example.relative_to(EXAMPLES))


def require_rights(example: Path) -> None:
    """Leave where this user may not do what the example does."""
    if example.parent == FIELDS:
        require_root()  # who alone may load programs under an administrator's broker


@pytest.mark.parametrize("example", sorted(EXAMPLES.rglob("test_*.py")), ids=name_of)
def test_an_example_passes_as_it_stands(example: Path, tmp_path: Path) -> None:
    require_rights(example)
    output = run(example, tmp_path)
    passed = re.search(r"^=+ (\d+) passed in ", output, re.MULTILINE)
    assert passed, output
    assert int(passed[1]) >= example.read_text().count("\ndef test_")  # more, of one with parameters


@pytest.mark.parametrize("inversion", INVERSIONS, ids=str)
def test_an_inverted_assertion_fails_with_a_useful_message(inversion: Inversion, tmp_path: Path) -> None:
    example = EXAMPLES / inversion.example
    require_rights(example)
    text = example.read_text()
    assert text.count(inversion.assertion) == 1
    folder = tmp_path
    if example.parent != EXAMPLES:
        folder = shutil.copytree(example.parent, tmp_path / example.parent.name)
    copy = folder / example.name
    copy.write_text(text.replace(inversion.assertion, inversion.inverted))

    output = run(copy, tmp_path, inversion.test)

    assert inner.ended_with("1 failed", output), output
    pytest.LineMatcher(output.splitlines()).re_match_lines(inversion.lines)


def test_every_example_has_an_assertion_inverted() -> None:
    # But for what runs on other kernels alone.
    examples = {name_of(path) for path in EXAMPLES.rglob("test_*.py")} - {"fields/test_kernel_function.py"}
    assert {inversion.example for inversion in INVERSIONS} == examples
