"""What the README's first screen shows is true."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()


def test_the_two_commands_stand_in_the_first_screen_and_can_be_run() -> None:
    shell = re.search(r"```sh\n(.*?)```", "\n".join(README.splitlines()[:40]), re.DOTALL)
    assert shell
    commands = [line.split()[0] for line in shell[1].splitlines()]
    assert commands == ["scripts/examples", "scripts/test"]
    assert all(os.access(PROJECT / command, os.X_OK) for command in commands)


def test_the_readme_links_to_nothing_that_is_not_there() -> None:
    targets = re.findall(r"\]\(((?!https?:)[^)#]+)", README)
    assert targets
    assert [target for target in targets if not (PROJECT / target).exists()] == []
