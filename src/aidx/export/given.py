"""What an export is made from, and what it is."""

from msgspec import Struct

from aidx.errors import InputError
from aidx.plan.result import Plan, RolePlan

Argv = tuple[str, ...]


class Offered(Struct, frozen=True):
    """A model as clients of ``aidx serve`` see it: its *name* there, and its bounds in tokens.

    *gate* is the most prompt, *output* the most that is written, *history* the most between system text and question.
    """

    name: str
    context: int
    gate: int
    output: int
    history: int | None = None


class Given(Struct, frozen=True):
    """A *plan* that holds, what clients see of it, and where.

    *url* is the endpoint without ``/v1``; *key_env* names the variable that holds its key. *serve* is the command that
    serves this plan. *repositories* says where a model without a file on this machine comes from, by role.
    """

    plan: Plan
    offered: tuple[Offered, ...]
    url: str
    key_env: str | None
    serve: Argv
    repositories: tuple[tuple[str | None, str], ...] = ()

    @property
    def local(self) -> tuple[RolePlan, ...]:
        """The roles whose models run on this machine; those that share a process come once."""
        found: dict[object, RolePlan] = {}
        for role in self.plan.roles:
            if role.model.source != "cloud":
                found.setdefault((role.model.name, role.model.path, role.engine, role.settings), role)
        if not found:
            raise InputError(
                "no model of this plan runs on this machine", hint="Give a MODEL, or configure a role with one."
            )
        return tuple(found.values())

    def repository(self, role: RolePlan) -> str | None:
        """Where the model of *role* comes from, if that is known."""
        return dict(self.repositories).get(role.role)

    def names(self, role: RolePlan) -> tuple[str, ...]:
        """All roles that the process of *role* fills; a model that is given alone is the editor."""
        same = (
            other.role or "editor"
            for other in self.plan.roles
            if (other.model.name, other.model.path, other.engine, other.settings)
            == (role.model.name, role.model.path, role.engine, role.settings)
        )
        return tuple(same)


class File(Struct, frozen=True):
    """A file by its usual *name*, and its *text*; *program*: it is to be run."""

    name: str
    text: str
    program: bool = False


class Exported(Struct, frozen=True):
    """The files, and what a person must know or do about them."""

    files: tuple[File, ...]
    notes: tuple[str, ...] = ()
