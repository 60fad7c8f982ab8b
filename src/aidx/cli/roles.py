"""``aidx roles``: tiers, roles, what fills each one here, and whether a model is right for it."""

import json

import click

from aidx.cli._options import common, on_machine
from aidx.plan.devices import Machine


@click.command()
@click.argument("model", required=False)
@on_machine
@common
def command(model: str | None, machine: Machine, *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Show the roles of a deployment and what fills each one on this machine.

    With MODEL (a file or a name, of the cloud too): whether it is right for each role, and why.
    """
    del quiet, verbose  # it takes a second or two and says nothing on the way
    from aidx import wiring
    from aidx.advise.roles import fill, judge, judge_cloud
    from aidx.cli._roles import model_lines, role_lines
    from aidx.cli._text import safe
    from aidx.plan.filled import model_json, roles_json

    width = wiring.screen().width
    cloud = None if model is None else wiring.cloud(model)
    if model is None:
        filled = fill(wiring.candidates(), wiring.clouds(), machine, wiring.pace())
        lines, contract = role_lines(filled, machine, width), roles_json(filled)
    else:
        judged = judge(wiring.candidates(model)[0], machine, wiring.pace()) if cloud is None else judge_cloud(cloud)
        lines, contract = model_lines(judged, width), model_json(judged)
    notes = () if cloud is not None else machine.notes
    if as_json:
        click.echo(json.dumps(contract | ({"notes": list(notes)} if notes else {})))
    else:
        click.echo("\n".join(map(safe, (*(f"note: {note}" for note in notes), *lines))))
    return 0
