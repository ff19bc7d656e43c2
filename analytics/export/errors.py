"""What can go wrong with an export."""


class ExportError(Exception):
    """The export was not made; one sentence with what to do next."""
