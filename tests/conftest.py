"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# As in programs.py: gRPC's fork handlers may crash a child between fork and exec. Read when gRPC is imported.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# How long an example takes says something about the machine only: others may be busy on it.
settings.register_profile(
    "ours", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("ours")
