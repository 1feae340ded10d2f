"""What Hypothesis tries may take long on a loaded machine, and is no less true."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
