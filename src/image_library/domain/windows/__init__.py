"""What a Windows guest is told on its first boot, as the answer file that Windows Setup reads."""
