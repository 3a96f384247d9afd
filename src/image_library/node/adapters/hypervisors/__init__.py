"""One folder for each program that runs VMs."""
