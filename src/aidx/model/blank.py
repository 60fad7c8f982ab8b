"""A tensor before its type is chosen."""

from typing import Literal

from msgspec import Struct

Kind = Literal["weight", "f32", "mxfp4"]


class Blank(Struct, frozen=True):
    """One tensor of a freshly converted F16 file; *shape* in ggml's order (the row length first).

    *kind*: ``weight`` has the type of the file (F16), ``f32`` stays that in every file, ``mxfp4`` is a
    weight that the maker published in four bits and that converters copy.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind = "weight"

    @property
    def part(self) -> str:
        """The name without its block: ``attn_q.weight`` for ``blk.3.attn_q.weight``."""
        return self.name.split(".", 2)[2] if self.name.startswith("blk.") else self.name
