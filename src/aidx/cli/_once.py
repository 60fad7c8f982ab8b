"""Options that take one value: of two the last counts, as in llama.cpp, and it is said.

A way out that ``plan`` prints can so be typed behind the command that it belongs to. A flag and its
opposite are refused.
"""

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource


class Once(click.Option):
    """An option whose values are all collected, so that they can be held against each other."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ANN401 - click's own signature
        """Collect what click would overwrite."""
        del ctx
        if not self.is_flag:
            parser.add_option(obj=self, opts=self.opts, dest=self.name, action="append", nargs=self.nargs)
            return
        for opts, const in ((self.opts, True), (self.secondary_opts, False)):
            if opts:
                parser.add_option(obj=self, opts=opts, dest=self.name, action="append_const", const=const)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """The last value; a usage error for a flag and its opposite."""
        found, source = super().consume_value(ctx, opts)
        if source is not ParameterSource.COMMANDLINE or not isinstance(found, list):
            return found, source
        others = [value for value in found if value != found[0]]
        if others and not ctx.resilient_parsing:
            if self.is_flag:
                said = " and ".join(self._said(value) for value in (found[0], others[0]))
                raise click.UsageError(f"{said} contradict each other: give one of them", ctx)
            before = next(value for value in reversed(found) if value != found[-1])
            ctx.meta[f"{__name__}.{self.name}"] = (
                f"aidx: {self._said(found[-1])} counts, and not the {before} before it"
            )
        return found[-1], source

    def process_value(self, ctx: click.Context, value: Any) -> Any:  # noqa: ANN401 - click's own signature
        """The value as its type has it; what is wrong with it is said before that another one came earlier."""
        found = super().process_value(ctx, value)
        if said := ctx.meta.pop(f"{__name__}.{self.name}", None):
            click.echo(said, err=True)
        return found

    def _said(self, value: object) -> str:
        if self.is_flag:
            return max(self.opts if value else self.secondary_opts, key=len)
        return f"{max(self.opts, key=len)} {value}"


def once(command: click.Command) -> click.Command:
    """*command*, and those below it, with every option of one value held to it."""
    for option in command.params:
        if type(option) is click.Option and not option.multiple and not option.count and option.nargs == 1:
            option.__class__ = Once
    if isinstance(command, click.Group):
        for each in command.commands.values():
            once(each)
    return command
