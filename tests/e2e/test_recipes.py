"""The recipes of docs/ci.md are what their readers accept, and the rights they give are enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e import inner
from tiers import require_command, require_root

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
RECIPES = PROJECT / "docs/recipes"
UNIT = RECIPES / "pytest-ebpf@.service"
COMMANDS = Path(sys.executable).parent

SUITE = """
import subprocess

def test_seen(ebpf_trace):
    subprocess.run(["true"], check=True)
    ebpf_trace.assert_spawned("true", exit_code=0)
    ebpf_trace.assert_not_spawned("false")

def test_missed(ebpf_trace):
    subprocess.run(["false"], check=False)
    ebpf_trace.assert_not_spawned("false")
"""

SCHEMAS = {
    "github-actions.yml": ["--builtin-schema", "vendor.github-workflows"],
    "gitlab-ci.yml": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    "compose.yml": ["--builtin-schema", "vendor.compose-spec"],
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A suite in a folder that anybody may look into (pytest's own are for their owner only)."""
    made = Path(tempfile.mkdtemp(prefix="pytest-ebpf-recipe-"))
    made.chmod(0o755)
    (made / "test_it.py").write_text(SUITE)
    yield made
    shutil.rmtree(made)


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with no broker but the one it is told of."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTEST_EBPF_BROKER"}
    return subprocess.run(
        command,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        text=True,
        check=False,
    )


def suite(folder: Path) -> list[str]:
    """Command that runs the suite in the folder as CI should."""
    return inner.command("-c", "/dev/null", folder)


def as_nobody() -> tuple[list[str], dict[str, str]]:
    """Command that drops all privilege, and the environment in which our interpreter stays in sight."""
    visible = f"{PROJECT}:{sys.prefix}:{Path(sys.base_prefix).resolve()}"
    return [str(PROJECT / "scripts/as-nobody")], {"VISIBLE": visible}


def assert_traced(done: subprocess.CompletedProcess[str]) -> None:
    """One test passed for what was there, and one failed for what should not have been."""
    assert inner.ended_with("1 failed, 1 passed", done.stdout), done.stdout
    assert re.search(r"^FAILED .*::test_missed", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.once
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_recipe_meets_its_public_schema(name: str) -> None:
    done = run(COMMANDS / "check-jsonschema", *SCHEMAS[name], RECIPES / name)
    assert done.returncode == 0, done.stdout


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("github-actions.yml", "runs-on:", "run-on:"),
        ("gitlab-ci.yml", "script:", "scripts:"),
        ("compose.yml", "cap_add:", "capadd:"),
    ],
)
def test_a_recipe_with_a_slip_does_not_meet_its_schema(tmp_path: Path, name: str, right: str, wrong: str) -> None:
    text = (RECIPES / name).read_text()
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong))
    done = run(COMMANDS / "check-jsonschema", *SCHEMAS[name], tmp_path / name)
    assert done.returncode == 1, done.stdout


def verify(unit: str, folder: Path) -> str:
    """What systemd has to say of a unit, once its program is where it says."""
    require_command("systemd-analyze")
    (folder / UNIT.name).write_text(unit.replace("/opt/pytest-ebpf/bin", str(COMMANDS)))
    return run("systemd-analyze", "verify", "--man=no", folder / UNIT.name).stdout


@pytest.mark.once
def test_systemd_has_nothing_to_say_of_the_unit(tmp_path: Path) -> None:
    assert verify(UNIT.read_text(), tmp_path) == ""


@pytest.mark.once
def test_systemd_would_say_that_a_setting_of_the_unit_is_unknown(tmp_path: Path) -> None:
    said = verify(UNIT.read_text().replace("NoNewPrivileges", "NoNewPrivilege"), tmp_path)
    assert "Unknown key 'NoNewPrivilege' in section [Service]" in said


def capabilities(text: str) -> str:
    """Argument of setpriv for the capabilities that a text names."""
    return ",".join(["-all", *(f"+{name.lower()}" for name in re.findall(r"CAP_(\w+)", text))])


def setting(name: str) -> str:
    """Value in the unit."""
    found = re.search(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert found
    return found[1]


def unit_command(runtime: Path, uid: int, bounding: str) -> list[str]:
    """The unit's command with its folder elsewhere, and only these capabilities."""
    command = setting("ExecStart").replace("/opt/pytest-ebpf/bin", str(COMMANDS))
    command = command.replace("/run/pytest-ebpf/%i", str(runtime)).replace("%i", str(uid))
    limited = ["setpriv", "--no-new-privs", f"--bounding-set={bounding}", f"--inh-caps={bounding}"]
    return [*limited, *command.split()]


@contextmanager
def broker_of_the_unit(folder: Path, uid: int) -> Iterator[Path]:
    """A broker started as the unit starts it."""
    runtime = folder / "run"
    runtime.mkdir(mode=0o755)
    command = unit_command(runtime, uid, capabilities(setting("CapabilityBoundingSet")))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout
        assert broker.stdout.readline()  # says that it is there
        try:
            yield runtime / "socket"
        finally:
            broker.terminate()


@pytest.mark.parametrize("missing", ["CAP_BPF", "CAP_PERFMON", "CAP_CHOWN"])
def test_none_of_the_units_capabilities_can_be_left_out(folder: Path, missing: str) -> None:
    require_root()
    require_command("setpriv")
    left = set(setting("CapabilityBoundingSet").split()) - {missing}
    assert len(left) == 2
    done = run(*unit_command(folder, 65534, capabilities(" ".join(left))))
    assert done.returncode == 1, done.stdout


def test_the_units_capabilities_serve_a_user_who_has_none(folder: Path) -> None:
    require_root()
    require_command("setpriv", "unshare")
    command, environment = as_nobody()
    with broker_of_the_unit(folder, 65534) as socket:
        done = run(*command, *suite(folder), PYTEST_EBPF_BROKER=str(socket), HOME=str(folder), **environment)
    assert_traced(done)


def test_a_broker_outside_serves_a_container_that_has_its_socket(folder: Path) -> None:
    require_root()
    require_command("bwrap")
    inside = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--unshare-pid", "--proc", "/proc", "--cap-drop", "ALL"]
    with broker_of_the_unit(folder, 0) as socket:
        done = run(*inside, *suite(folder), PYTEST_EBPF_BROKER=str(socket))
    assert_traced(done)


def container(*added: str) -> list[str]:
    """A container as root of which only the added capabilities are left."""
    inside = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    inside += ["--proc", "/proc", "--cap-drop", "ALL"]
    for name in added:
        inside += ["--cap-add", f"CAP_{name}"]
    return inside


def added_by_compose() -> list[str]:
    """The capabilities that the recipe for Compose adds."""
    block = re.search(r"cap_add:\n((?: +- \w+\n)+)", (RECIPES / "compose.yml").read_text())
    assert block
    return re.findall(r"\w+", block[1])


def test_the_capabilities_of_the_container_recipe_are_enough(folder: Path) -> None:
    require_root()
    require_command("bwrap")
    assert_traced(run(*container(*added_by_compose()), *suite(folder)))


@pytest.mark.parametrize("missing", ["BPF", "PERFMON"])
def test_none_of_the_container_recipes_capabilities_can_be_left_out(folder: Path, missing: str) -> None:
    require_root()
    require_command("bwrap")
    left = [name for name in added_by_compose() if name != missing]
    done = run(*container(*left), *suite(folder))
    assert f"needs   CAP_BPF and CAP_PERFMON; has only CAP_{left[0]}" in done.stdout


def test_the_documented_docker_command_adds_what_the_recipe_for_compose_adds() -> None:
    text = (PROJECT / "docs/ci.md").read_text()
    assert re.findall(r"--cap-add (\w+)", text) == added_by_compose()


def test_a_user_whom_sudo_asks_nothing_is_traced_as_on_a_hosted_runner(folder: Path) -> None:
    require_root()
    require_command("sudo", "unshare")
    rules = folder / "sudoers.d"
    rules.mkdir(mode=0o755)
    (rules / "runner").write_text("#65534 ALL=(ALL) NOPASSWD: ALL\n")
    (rules / "runner").chmod(0o440)
    command, environment = as_nobody()
    # Only in a mount namespace of this test's own is nobody such a user.
    mounted = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    mounted += ['mount --bind "$0" /etc/sudoers.d && exec "$@"', str(rules), *command]
    done = run(*mounted, *suite(folder), BOUNDING_SET="+all", HOME=str(folder), **environment)
    assert_traced(done)
    assert [path.name for path in Path("/etc/sudoers.d").iterdir()] != ["runner"]
