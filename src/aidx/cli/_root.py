"""The ``aidx`` command itself: finds commands lazily, turns each error into one line, a hint and an exit code."""

import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click

import aidx
from aidx import cli
from aidx.cli._text import printable
from aidx.errors import AidxError, InputError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
INTERRUPTED = 130
CLOSED = 141  # what shells say of a program that ended because nobody reads what it writes (128 + SIGPIPE)
INTERNAL = "This is a bug in aidx: run again with -v and report the traceback."


class Commands(click.Group):
    """Every module of ``aidx.cli`` without an underscore is a command; it is imported when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        del ctx
        names = (module.name for module in iter_modules(cli.__path__))
        return sorted(name for name in names if not name.startswith("_") and name != "main")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with the first line of its module: importing all of them would take longer than all else."""
        rows = [(name, _summary(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called *cmd_name*, or ``None``."""
        if cmd_name not in self.list_commands(ctx):
            return None
        from aidx.cli._once import once

        found: click.Command = import_module(f"{cli.__name__}.{cmd_name}").command
        return once(found)


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(aidx.__version__, prog_name="aidx")
def root() -> None:
    """Plan, prove and run local LLM deployments whose memory budget holds.

    Sizes are typed as 12GiB, 12GB or 12G (2^30, because memory is sold so) and 512M (2^20).
    Exit codes: 0 done and it holds, 1 internal error, 2 wrong input, 3 the budget does not hold,
    4 an engine or a file is missing, 5 a check said no, 130 interrupted, 141 nobody reads the output.
    """


def _summary(name: str) -> str:
    """What the module of command *name* says of it: the part behind the colon of its first line."""
    with Path(cli.__path__[0], f"{name}.py").open(encoding="utf-8") as file:
        first = file.readline().strip().strip('"')
    said = first.partition(": ")[2].replace("``", "").rstrip(".")
    return said[:1].upper() + said[1:]


def run(arguments: list[str]) -> int:
    """Run the command line of *arguments*; returns the exit code."""
    as_json = "--json" in arguments
    try:
        code = root.main(arguments, prog_name="aidx", standalone_mode=False)
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
        code = 2
    except click.ClickException as wrong:
        code = _fail(_usage(wrong), as_json=as_json)
    except AidxError as error:
        code = _fail(error, as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except (OSError, SystemExit) as broken:  # adapters translate theirs: what is left is our own output
        code = _unwritten(broken, as_json=as_json)
    except Exception as bug:  # the last line of defence: a bug becomes one line, never a traceback
        if _verbose(arguments):
            raise
        code = _fail(AidxError(f"{type(bug).__name__}: {bug}", hint=INTERNAL), as_json=as_json)
    return code if isinstance(code, int) else 0


def _unwritten(broken: OSError | SystemExit, *, as_json: bool) -> int:
    """The exit code where the output cannot be written; click leaves where it is a pipe that nobody reads."""
    if isinstance(broken, SystemExit | BrokenPipeError):
        code = CLOSED
    else:
        hint = "Free some space where it goes, or write it to another file."
        code = _fail(AidxError(f"cannot write the output: {broken.strerror or broken}", hint=hint), as_json=as_json)
    with suppress(OSError):  # what could not be written is not tried again at the end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
    return code


def _verbose(arguments: list[str]) -> bool:
    return "-v" in arguments or "--verbose" in arguments


def _usage(wrong: click.ClickException) -> InputError:
    message = " ".join(wrong.format_message().split())
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context is not None else "aidx"
    return InputError(message.rstrip("."), hint=f"See `{path} --help`.", code="usage")


def _fail(error: AidxError, *, as_json: bool) -> int:
    message, hint = printable(str(error)), printable(error.hint)
    if as_json:
        with suppress(OSError):  # nobody can read it: what is said on stderr is what is left
            _report(error, message, hint)
    with suppress(OSError):
        click.echo(f"aidx: {message}", err=True)
        if hint:
            click.echo(f"hint: {hint}", err=True)
    return error.exit_code


def _report(error: AidxError, message: str, hint: str) -> None:
    report = {"code": error.code, "message": message, "hint": hint, "exit_code": error.exit_code}
    click.echo(json.dumps({"error": report}))
    sys.stdout.flush()
