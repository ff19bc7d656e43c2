"""Files for researchers."""
