"""The command line, settings and `up`. Imports the other rooms; nobody imports it."""
