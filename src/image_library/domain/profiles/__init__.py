"""Provisioning profiles: what several guests are told alike, with parameters for what differs."""
