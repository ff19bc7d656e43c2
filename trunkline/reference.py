"""docs/commands.md, made from the commands themselves: `python -m trunkline.reference > FILE`."""

from __future__ import annotations

import click

from trunkline.cli import COMMANDS, main

HEAD = """# Commands

Made from the commands themselves. Every option can also be given as an environment variable: the
one that the option's help names, else `TRUNKLINE_<COMMAND>_<OPTION>`. Exit codes: 0 done, 1 failed,
2 wrong usage; errors are one line that says what to do next.
"""


def text() -> str:
    """Markdown of every command with its help."""
    context = click.Context(main, info_name="trunkline", **main.context_settings)
    parts = [HEAD]
    for name in sorted(COMMANDS):
        command = main.get_command(context, name)
        if command is None:
            raise LookupError(name)
        parts += _sections(command, context, f"trunkline {name}")
    return "\n".join(parts)


def _sections(command: click.Command, parent: click.Context, title: str) -> list[str]:
    context = click.Context(
        command,
        parent=parent,
        info_name=title.rpartition(" ")[2],
        terminal_width=96,
        max_content_width=96,
    )
    body = command.get_help(context).replace("\b\n", "")
    found = [f"## {title}\n\n```\n{body}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                found += _sections(inner, context, f"{title} {name}")
    return found


if __name__ == "__main__":
    click.echo(text(), nl=False)
