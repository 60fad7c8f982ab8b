"""``aidx devices``: what this machine has, what is free, and what the engine can use."""

import json

import click

from aidx.cli._options import common, on_this_machine, typed_in
from aidx.errors import InputError
from aidx.plan.devices import Machine


@click.command()
@click.option("--cards", is_flag=True, help="List the cards that --gpu knows instead.")
@on_this_machine
@common
def command(machine: Machine, *, cards: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """List each device: total, used by others, usable, the driver's part, bandwidth, and what the engine sees.

    With --gpu or --vram it shows the machine that a plan would be made for. What aidx.toml has is a note.
    """
    del quiet, verbose  # there is no progress to be quiet about
    from aidx import wiring
    from aidx.cli._text import safe
    from aidx.plan import inventory

    if cards:
        for name in ("gpu", "vram", "host_ram", "driver", "total"):
            if typed_in(name):
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"--cards lists all cards, and {option} describes a machine", hint="Leave one out.")
        table = wiring.cards()
        shown = json.dumps(inventory.cards_json(table)) if as_json else "\n".join(inventory.card_lines(table))
        click.echo(shown)
        return 0
    sights = wiring.sights()
    if as_json:
        click.echo(json.dumps(inventory.as_json(machine, sights)))
    else:
        click.echo("\n".join(map(safe, inventory.lines(machine, sights))))
    return 0
