"""Sub-commands: each module has one click command called `command`."""
