"""Virtual GPUs: the engine plans for a card that is not there.

A device is a table of callbacks; ours answer like ggml's CUDA backend wherever a size depends on it, and
never compute. What makes CUDA's bytes differ from a CPU's:

- buffers are aligned to 128 bytes;
- quantized rows that are no multiple of 512 elements get one more partial row (``ggml-cuda.cu``);
- flash attention reads K and V as f16: copies of a cache of another type stand behind its output; V that is
  a view of K (MLA) is not copied twice (``fattn-common.cuh``);
- what stays on the CPU stands in pinned memory (``CUDA_Host``), so it is not repacked.

No buffer has memory behind it: a probe computes nothing, and recurrent state, which the engine allocates in
spite of ``no_alloc``, can be gigabytes. The structs must outlive the engine's use of them: keep the
``Machine`` as long as the library is used.
"""

import ctypes as c
from collections.abc import Callable, Sequence

from aidx.adapters.llama import backend as b

ALIGNMENT = 128
ROW_PADDING = 512  # MATRIX_ROW_PADDING of ggml-cuda
OFFLOAD_BATCH = 32  # tokens from which CUDA takes over work on weights that are on the CPU
OPERATIONS = 101  # GGML_OP_COUNT
F16 = 1  # GGML_TYPE_F16
GPU = 1  # GGML_BACKEND_DEVICE_TYPE_GPU
FAILED = -1  # GGML_STATUS_FAILED
NOWHERE = 1 << 46  # base address of buffers that nobody reads or writes


class Machine:
    """The memory of a machine that need not exist: buffers without memory, and as many GPUs as asked for."""

    def __init__(self, library: c.CDLL) -> None:
        self.library = library
        self.devices: list[_Gpu] = []
        self._empty = _empty_buffers()
        library.ggml_backend_buffer_init.restype = b.P
        library.ggml_backend_buffer_init.argtypes = [b.P, b.BufferInterface, b.P, c.c_size_t]
        self.allocate = b.PointerSized(self._allocate)
        self.ops = _numbers(library)
        self.cpu = b.BufferType.from_address(library.ggml_backend_cpu_buffer_type())
        self.cpu.iface.alloc_buffer = self.allocate

    def _allocate(self, buffer_type: int, size: int) -> int | None:
        buffer: int | None = self.library.ggml_backend_buffer_init(buffer_type, self._empty, None, size)
        return buffer

    def gpus(self, memory: Sequence[int]) -> "c.Array[c.c_void_p]":
        """A null-ended list of devices with so many bytes each, for ``llama_model_params.devices``."""
        while len(self.devices) < len(memory):
            self.devices.append(_Gpu(self, len(self.devices)))
        addresses: list[int | None] = []
        for gpu, size in zip(self.devices, memory, strict=False):
            gpu.memory = size
            addresses.append(c.addressof(gpu.device))
        return (b.P * (len(memory) + 1))(*addresses, None)

    def holder(self, device: int) -> str:
        """``gpu0``, ``gpu1``, … for a device of ours, else ``host``."""
        return next((f"gpu{gpu.number}" for gpu in self.devices if device == c.addressof(gpu.device)), "host")

    def owner(self, buffer_type: int) -> str:
        """``gpu0``, ``gpu1``, … for a buffer type of ours, else ``host``."""
        for gpu in self.devices:
            if buffer_type == c.addressof(gpu.buffers):
                return f"gpu{gpu.number}"
        return "host"


class _Gpu:
    """One device, in a registry of its own."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine, self.number, self.memory = machine, number, 0
        self.name, self.vendor = _text(f"CUDA{number}"), _text("CUDA")
        self.host_name, self.description = _text("CUDA_Host"), _text("virtual GPU")
        self.guid = (c.c_uint8 * 16)(*range(number, number + 16))
        self.backends: list[b.Backend] = []
        self.buffers, self.host_buffers, self.device = b.BufferType(), b.BufferType(), b.Device()
        self._describe_buffers()
        self._describe_device()
        self._register()

    def _describe_buffers(self) -> None:
        size_of = _allocation(self.machine.library, self.machine.ops["FLASH_ATTN_EXT"])
        self.buffers.iface.get_name = _constant(self.name)
        self.buffers.iface.alloc_buffer = self.machine.allocate
        self.buffers.iface.get_alignment = b.Size(lambda _: ALIGNMENT)
        self.buffers.iface.get_alloc_size = b.SizeOf(size_of)
        self.buffers.device = c.addressof(self.device)
        # Pinned memory is the CPU's in all but name, as in ggml-cuda itself.
        self.host_buffers.iface = self.machine.cpu.iface
        self.host_buffers.iface.get_name = _constant(self.host_name)
        self.host_buffers.device = c.addressof(self.device)

    def _describe_device(self) -> None:
        table = self.device.iface
        mine = c.addressof(self.buffers)
        table.get_name = _constant(self.name)
        table.get_description = _constant(self.description)
        table.get_memory = b.Memory(self._memory)
        table.get_type = b.Int(lambda _: GPU)
        table.get_props = b.GetProperties(self._properties)
        table.init_backend = b.PointerOf(self._backend)
        table.get_buffer_type = _constant(mine)
        table.get_host_buffer_type = _constant(c.addressof(self.host_buffers))
        table.supports_op = b.BoolOf(lambda _, __: True)
        table.supports_buft = b.BoolOf(lambda _, buffer_type: buffer_type == mine)
        table.offload_op = b.BoolOf(self._offload)

    def _register(self) -> None:
        self.registry = b.Registry(api_version=b.API_VERSION)
        self.registry.iface.get_name = _constant(self.vendor)
        self.registry.iface.get_device_count = b.Size(lambda _: 1)
        self.registry.iface.get_device = b.PointerSized(lambda _, __: c.addressof(self.device))
        self.registry.iface.get_proc_address = b.PointerOf(lambda _, __: None)
        self.device.reg = c.addressof(self.registry)
        self.machine.library.ggml_backend_register(c.addressof(self.registry))

    def _memory(self, _: int, free: "c._Pointer[c.c_size_t]", total: "c._Pointer[c.c_size_t]") -> None:
        free[0] = total[0] = self.memory

    def _properties(self, _: int, properties: "c._Pointer[b.Properties]") -> None:
        answer = properties[0]
        answer.name, answer.description = self.name.value, self.description.value
        answer.free = answer.total = self.memory
        answer.type = GPU
        # Asynchronous with events: several such devices make the engine keep four copies of its inputs.
        answer.caps = b.Capabilities(asynchronous=True, host_buffer=True, from_host=False, events=True, mmap=True)

    def _backend(self, _: int, __: int) -> int:
        backend = b.Backend(guid=c.addressof(self.guid), device=c.addressof(self.device))
        backend.iface.get_name = _constant(self.name)
        backend.iface.free = b.Nothing(lambda _: None)
        backend.iface.graph_compute = b.IntOf(lambda _, __: FAILED)
        self.backends.append(backend)
        return c.addressof(backend)

    def _offload(self, _: int, address: int) -> bool:
        return _tokens(b.Tensor.from_address(address), self.machine.ops) >= OFFLOAD_BATCH


def _text(value: str) -> "c.Array[c.c_char]":
    return c.create_string_buffer(value.encode())


def _constant(value: "int | c.Array[c.c_char]") -> Callable[[int], int]:
    """A callback that returns an address: *value*, or that of *value*."""
    address = value if isinstance(value, int) else c.addressof(value)
    callback: Callable[[int], int] = b.Pointer(lambda _: address)
    return callback


def _empty_buffers() -> b.BufferInterface:
    """Buffers that have a size and no memory."""
    table = b.BufferInterface()
    table.free_buffer = b.Nothing(lambda _: None)
    table.get_base = b.Pointer(lambda _: NOWHERE)
    table.clear = b.Clear(lambda _, __: None)
    return table


def _numbers(library: c.CDLL) -> dict[str, int]:
    """Numbers of the operations that are treated specially, looked up by name."""
    wanted = {"FLASH_ATTN_EXT", "GET_ROWS", "MUL_MAT", "MUL_MAT_ID", "ROPE", "ROPE_BACK"}
    names = ((number, library.ggml_op_name(number).decode()) for number in range(OPERATIONS))
    return {name: number for number, name in names if name in wanted}


def _tokens(tensor: b.Tensor, ops: dict[str, int]) -> int:
    """The batch that decides whether CUDA takes an operation over (``get_op_batch_size``)."""
    rows: int = tensor.ne[1] * tensor.ne[2] * tensor.ne[3]
    if tensor.op == ops["GET_ROWS"]:
        rows = 0
    elif tensor.op == ops["MUL_MAT"]:
        rows = tensor.ne[1]
    elif tensor.op in {ops["MUL_MAT_ID"], ops["ROPE"], ops["ROPE_BACK"]}:
        rows = tensor.ne[2]
    return rows


def _allocation(library: c.CDLL, flash_attention: int) -> Callable[[int, int], int]:
    """The callback that says how many bytes CUDA allocates for a tensor."""

    def size_of(_: int, address: int) -> int:
        size: int = library.ggml_nbytes(address)
        tensor = b.Tensor.from_address(address)
        if tensor.op == flash_attention:
            size = _with_copies(library, tensor, size)
        if tensor.ne[0] % ROW_PADDING and library.ggml_is_quantized(tensor.type):
            size += library.ggml_row_size(tensor.type, ROW_PADDING - tensor.ne[0] % ROW_PADDING)
        return size

    return size_of


def _with_copies(library: c.CDLL, attention: b.Tensor, end: int) -> int:
    """Where the f16 copies of K and V end that stand behind an output of *end* bytes."""
    key, value = (b.Tensor.from_address(attention.src[number]) for number in (1, 2))
    copies = [attention.src[1]] if key.type != F16 else []
    if value.type != F16 and not _is_view(value, attention.src[1], key):
        copies.append(attention.src[2])
    for address in copies:
        end = -(-end // ALIGNMENT) * ALIGNMENT + 2 * library.ggml_nelements(address)
    return end


def _is_view(value: b.Tensor, key_address: int, key: b.Tensor) -> bool:
    """Whether V shows the memory of K."""
    if not value.view_src:
        return False
    same = value.view_src == key.view_src and value.view_offs == key.view_offs
    return bool(value.view_src == key_address or same)
