"""What holds for every test."""

from __future__ import annotations

import os

# As in programs.py: gRPC's fork handlers may crash a child between fork and exec. Read when gRPC is imported.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
