"""Under which terms a pattern answers: the roles that can be asked, and what its answer must be like."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from aidx.errors import InputError
from aidx.patterns.prompt import Prompt
from aidx.patterns.rules import Rule
from aidx.patterns.schema.shape import Shape
from aidx.patterns.vocabulary import Pattern


class Terms(Struct, frozen=True):
    """What is configured, and what the request wants.

    *role* is who answers where the pattern has no choice. *roles* can be asked; *remote* are those of them whose
    requests leave the machine, which with *local_only* none may. *rules* are held against a draft, which is repaired
    *repairs* times at most; *escalate* is who answers what is not accepted then.
    """

    role: str = "editor"
    roles: frozenset[str] = frozenset()
    remote: frozenset[str] = frozenset()
    local_only: bool = False
    shape: Shape | None = None
    rules: tuple[Rule, ...] = ()
    repairs: int = 1
    escalate: str | None = None

    @property
    def allowed(self) -> frozenset[str]:
        """The roles that may be asked."""
        return self.roles - self.remote if self.local_only else self.roles


class Served(NamedTuple):
    """A pattern under the *name* that a request gives as its model; it is offered where the roles it *needs* are."""

    name: str
    needs: tuple[str, ...]
    answer: Callable[[Prompt, Terms], Pattern]

    def offered(self, terms: Terms) -> bool:
        """Whether it can answer."""
        return terms.allowed.issuperset(self.needs)

    def check(self, terms: Terms) -> None:
        """Raise ``InputError`` where it cannot."""
        missing = [role for role in self.needs if role not in terms.allowed]
        if missing:
            raise InputError(
                f"{self.name} needs {' and '.join(missing)}",
                hint=f"Configure {' and '.join(f'[roles.{role}]' for role in missing)} in aidx.toml.",
                code="role_not_configured",
            )
