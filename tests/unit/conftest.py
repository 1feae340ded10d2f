"""What several files need; and what Hypothesis tries may take long on a loaded machine, and is no less true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import brokers
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[brokers.Broker]:
    with brokers.running(tmp_path / "run") as broker:
        assert broker.first_line == {"ready": str(broker.socket)}
        yield broker
