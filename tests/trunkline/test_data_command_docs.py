"""The documents of `simulate` and `export` name every option, story and placement."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.commands.export import command as export_command
from trunkline.commands.simulate import command as simulate_command
from trunkline.options import store_options
from trunkline.synthetic.sensor import SITES
from trunkline.synthetic.stories import STORIES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("document", "command"),
    [("synthetic.md", simulate_command), ("export.md", export_command)],
)
def test_every_option_is_explained(document: str, command: object) -> None:
    text = (DOCS / document).read_text(encoding="utf-8")
    shared = {param.name for param in getattr(store_options(lambda **_: None), "__click_params__")}  # noqa: B009
    own = [param for param in command.params if param.name not in shared]  # type: ignore[attr-defined]
    assert own
    for param in own:
        assert f"`{param.opts[0]}`" in text, f"docs/{document} does not explain {param.opts[0]}"


def test_stories_and_placements_are_named() -> None:
    text = (DOCS / "synthetic.md").read_text(encoding="utf-8")
    assert not [name for name in STORIES if f"`{name}`" not in text]
    assert not [name for name in SITES if name not in text]
