"""What happens in a guest is what its host is told."""

from __future__ import annotations

from vm import guest


def test_what_a_command_says_and_ends_with_comes_back() -> None:
    done = guest.run("6.1", ["sh", "-c", 'uname -r; echo "$WORD"; exit 3'], {"WORD": "two words"})
    release, said = done.output.splitlines()
    assert release.startswith("6.1."), str(done)
    assert (said, done.status) == ("two words", 3)


def test_a_machine_that_ends_before_its_command_has_no_status() -> None:
    done = guest.run("6.1", ["sh", "-c", "echo so far; echo c >/proc/sysrq-trigger; sleep 60"])
    assert (done.status, done.output) == (None, "so far\n")
    assert "Kernel panic" in done.console
