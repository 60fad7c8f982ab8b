"""``aidx doctor``: a report for bug reports."""

import json

import click


@click.command()
@click.option("--clear-calibration", is_flag=True, help="Forget what was measured on this machine, and say how much.")
@click.option("--config", "file", metavar="FILE", help="Settings file instead of ./aidx.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Only what is not well.")
@click.option("-v", "--verbose", is_flag=True, help="A traceback with an internal error.")
def command(*, clear_calibration: bool, file: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Look at this installation and this machine, and say what is not well and what to do.

    Versions, memory, the engine (the shipped model is started and its memory compared with a plan), GPUs and who
    sees them, ceilings, stores, settings with their origin, what was measured here. It shows no secrets: values of
    variables are left out, and so is the name of your home.
    """
    del verbose
    from aidx.cli._text import safe
    from aidx.plan.doctor import Line, shown
    from aidx.plan.doctor import as_json as contract
    from aidx.wiring import doctor

    if clear_calibration:
        lines = [Line("calibration", "ok", f"{doctor.clear()} measurement(s) forgotten")]
    else:
        lines = list(doctor.look(file))
    if as_json:
        click.echo(json.dumps(contract(lines)))
    else:
        said = [line for line in lines if not quiet or line.status != "ok" or clear_calibration]
        click.echo("\n".join(map(safe, shown(said))) if said else "all is well")
    return 4 if any(line.status == "failed" for line in lines) else 0
