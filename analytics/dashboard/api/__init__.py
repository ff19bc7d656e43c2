"""Version 1 of the JSON interface: the same rules as the pages, described by an OpenAPI document.

Views stand in the modules of this package; importing them puts them on the one blueprint.
"""

from analytics.dashboard.api import (
    diary,
    exports,
    exposure,
    findings,
    records,
    samples,
    wearers,
)
from analytics.dashboard.api.blueprint import PREFIX, install

__all__ = [
    "PREFIX",
    "diary",
    "exports",
    "exposure",
    "findings",
    "install",
    "records",
    "samples",
    "wearers",
]
