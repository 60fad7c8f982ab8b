"""What ``aidx.toml`` may say: one frozen struct a table, one field a key.

The page ``docs/reference/config.md`` describes each of them; a test holds the two together.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from aidx.budget.prices import parse_price
from aidx.budget.sizes import parse_size
from aidx.errors import InputError

Count = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Argv = Annotated[tuple[str, ...], Meta(min_length=1)]
Engine = Literal["auto", "embedded", "llama-server", "ollama", "vllm", "aidx", "openai", "anthropic", "aider", "replay"]
RoleName = Literal["researcher", "gatekeeper", "embedder", "editor", "drafter", "verifier", "architect", "thinking"]


_SMALLEST = 1 << 20


class Size(int):
    """Bytes, written in the file as a person writes them: ``"12GiB"``, ``"512M"``."""

    __slots__ = ()


class Variable(str):
    """The name of an environment variable; never the key that it holds."""

    __slots__ = ()


class Priced(str):
    """What a model costs, as ``parse_price`` reads it."""

    __slots__ = ()


class DeviceTable(Struct, frozen=True):
    """``[device]``: the machine to plan for; without it, this one."""

    vram: tuple[Size, ...] = ()
    gpu: tuple[str, ...] = ()
    host_ram: Size | None = None
    driver: Size | None = None
    total: bool = False


class RoleTable(Struct, frozen=True):
    """``[roles.X]``: which model fills a role, and how it is run."""

    model: str | None = None
    engine: Engine = "auto"
    url: str | Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    api_key_env: Variable | None = None
    pattern: Literal["cascade"] | None = None
    quant: str | None = None
    imatrix: bool = False
    device: Literal["host"] | None = None
    ctx_size: Count | Literal["max"] | None = None
    max_tokens: Count | None = None
    gate: Count | None = None
    max_chat_history_tokens: Natural | None = None
    overflow: Literal["compact"] | None = None
    price: Priced | None = None
    edit_format: Literal["blocks", "lines"] = "blocks"
    parallel: Count | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    ubatch_size: Count | None = None
    batch_size: Count | None = None
    n_gpu_layers: Natural | Literal["all", "auto"] | None = None
    n_cpu_moe: Natural | Literal["auto"] | None = None
    flash_attn: bool | None = None
    kv_unified: bool | None = None
    swa_full: bool | None = None
    cache_ram: Natural | None = None
    ctx_checkpoints: Natural | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of ``url``: none, one, or those of several nodes."""
        if self.url is None:
            return ()
        return (self.url,) if isinstance(self.url, str) else self.url


class PipelineTable(Struct, frozen=True):
    """``[pipeline]``: bounds of ``aidx run``."""

    max_kv: Size | None = None


class RouteTable(Struct, frozen=True):
    """``[route]``: what routing may do."""

    local_only: bool = False
    threshold: Share | None = None
    files: Natural = 4
    private: tuple[str, ...] = ()
    feedback: bool = False


class CascadeTable(Struct, frozen=True):
    """``[cascade]``: what an answer must pass, and what happens to one that does not."""

    rules: tuple[str, ...] = ()
    repairs: Annotated[int, Meta(ge=0, le=4)] = 1
    escalate: Literal["architect"] | None = None


class IndexTable(Struct, frozen=True):
    """``[index]``: where the retrieval index lives."""

    store: Literal["fts5", "qdrant", "pgvector"] = "fts5"
    url: str | None = None
    api_key_env: Variable | None = None


class ServeTable(Struct, frozen=True):
    """``[serve]``: the endpoint."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8411
    api_key_env: Variable | None = None
    origins: tuple[str, ...] = ()
    swap: bool = False


class Config(Struct, frozen=True):
    """The whole file; ``roles`` and ``checks`` are tables of tables and of argv lists."""

    device: DeviceTable = DeviceTable()
    roles: dict[RoleName, RoleTable] = {}
    pipeline: PipelineTable = PipelineTable()
    route: RouteTable = RouteTable()
    cascade: CascadeTable = CascadeTable()
    checks: dict[str, Argv] = {}
    index: IndexTable = IndexTable()
    serve: ServeTable = ServeTable()


def convert(kind: type, value: object) -> object:
    """A value of a type of ours from what the file says; ``ValueError`` says what is wrong, never the key."""
    if kind is Size and isinstance(value, str | int):
        return _size(value)
    if kind is Variable and isinstance(value, str):
        return variable_name(value)
    if kind is Priced and isinstance(value, str | int | float) and not isinstance(value, bool):
        return _priced(str(value))
    names = {Size: "a size such as '12GiB'", Priced: "a price such as '3/15'"}
    wanted = names.get(kind, "the name of a variable")
    raise ValueError(f"expected {wanted}, got {type(value).__name__}")


def _size(value: str | int) -> Size:
    try:
        size = Size(parse_size(str(value)))
    except InputError as wrong:
        raise ValueError(str(wrong)) from None
    if 0 < size < _SMALLEST:
        raise ValueError(f"{value} is {size} bytes, no size of a memory; give a unit, say '12GiB'")
    return size


def _priced(text: str) -> Priced:
    try:
        parse_price(text)
    except InputError as wrong:
        raise ValueError(str(wrong)) from None
    return Priced(text)


# How keys of well-known services begin; no name of a variable or a model begins so and is that long.
_PREFIXES = ("sk-", "sk_", "gsk_", "hf_", "ghp_", "xai-", "AIza", "r8_", "pplx-", "nvapi-")
_LONG = 20


def looks_secret(text: str) -> bool:
    """Whether *text* begins like a key and is as long as one."""
    return len(text) >= _LONG and text.startswith(_PREFIXES)


def variable_name(name: str) -> Variable:
    """*name*; ``ValueError`` for what is none, or looks like a key: it is not shown, for it may be one."""
    mixed = any(char.islower() for char in name) and any(char.isdigit() for char in name)
    if not (name.isascii() and name.isidentifier()) or looks_secret(name) or (mixed and len(name) >= _LONG):
        raise ValueError("expected the name of a variable that holds the key, and this is none (it is not shown here)")
    return Variable(name)
