"""The `trunkline` command: a table of sub-commands, each in a module of its own."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import click

COMMANDS = {
    "agent": "stream a sensor to the broker",
    "analyse": "analyse recordings into result files",
    "associate": "say which exposure goes together with pain",
    "audit": "compare what was sent with what is stored",
    "backup": "copy people, samples and results to a folder",
    "broker": "run the embedded broker alone",
    "calibrate": "say when a sensor was held upright",
    "dashboard": "serve the pages for patients and clinicians",
    "deploy": "create the secret files of a deployment",
    "diary": "enter, show, change and import what was felt",
    "doctor": "check Bluetooth, broker, store, clock and disk",
    "erase": "remove everything about a wearer",
    "export": "write raw data and results to files",
    "exposure": "write exposure by hour, day or week as a table",
    "ingest": "write what arrives at the broker to the store",
    "lsl": "pass samples on to the Lab Streaming Layer",
    "profiles": "list the sensors that can be used",
    "reanalyse": "compute history with other parameters, beside the old",
    "replay": "play a recording through a virtual sensor and the agent",
    "restore": "put a backup into an empty data directory",
    "scan": "show sensors in radio range",
    "simulate": "make a synthetic recording with its truth",
    "store": "check, compact, archive and copy samples and results",
    "tap": "print what travels on the broker",
    "up": "run everything on this machine",
    "user": "manage log-ins",
    "wearer": "manage wearers",
    "worker": "turn stored samples into results",
}
"""Name -> one line for `trunkline --help`; the code is in trunkline/commands/<name>.py, `command`.

The table lets `--help` answer without importing numpy, bleak or flask.
"""


class LazyGroup(click.Group):
    """Imports a sub-command's module only when that sub-command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"trunkline.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.command(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "TRUNKLINE", "help_option_names": ["-h", "--help"]},
)
@click.version_option(version("trunkline"), prog_name="trunkline")
def main() -> None:
    """Trigger exposure for people with Maigne syndrome, from a trunk-worn motion sensor.

    Every option can also be given as an environment variable: TRUNKLINE_<COMMAND>_<OPTION>.

    \b
    Example: trunkline up --demo
    """
