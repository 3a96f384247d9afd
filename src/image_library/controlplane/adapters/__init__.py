"""The ports, fulfilled."""
