"""Logs, the same way in both programs."""
