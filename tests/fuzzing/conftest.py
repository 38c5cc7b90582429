"""The campaign: `pytest tests/fuzzing --hypothesis-profile campaign`."""

import hypothesis

QUIET = {"deadline": None, "suppress_health_check": hypothesis.HealthCheck}
hypothesis.settings.register_profile(
    "short", max_examples=100, derandomize=True, database=None, **QUIET
)
hypothesis.settings.register_profile("campaign", max_examples=5000, **QUIET)
hypothesis.settings.load_profile("short")
