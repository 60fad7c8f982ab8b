"""ggml's backend interface: the structs through which a device is described to the engine.

Layouts: ``ggml/src/ggml-backend-impl.h`` and ``ggml.h`` of the pinned build (backend API version 3, which
``ggml_backend_register`` insists on). Callbacks that are left out are null, as for a backend without them.
"""

import ctypes as c

API_VERSION = 3  # GGML_BACKEND_API_VERSION
OBJECT_SIZE = 32  # GGML_OBJECT_SIZE: ggml_tensor_overhead() is this and a tensor

P = c.c_void_p
Name = c.CFUNCTYPE(P, P)
Pointer = c.CFUNCTYPE(P, P)
PointerOf = c.CFUNCTYPE(P, P, P)
PointerSized = c.CFUNCTYPE(P, P, c.c_size_t)
Size = c.CFUNCTYPE(c.c_size_t, P)
SizeOf = c.CFUNCTYPE(c.c_size_t, P, P)
Bool = c.CFUNCTYPE(c.c_bool, P)
BoolOf = c.CFUNCTYPE(c.c_bool, P, P)
Int = c.CFUNCTYPE(c.c_int, P)
IntOf = c.CFUNCTYPE(c.c_int, P, P)
Nothing = c.CFUNCTYPE(None, P)
Clear = c.CFUNCTYPE(None, P, c.c_uint8)
Memory = c.CFUNCTYPE(None, P, c.POINTER(c.c_size_t), c.POINTER(c.c_size_t))


class Tensor(c.Structure):
    """``struct ggml_tensor``."""

    _fields_ = (
        ("type", c.c_int32),
        ("buffer", P),
        ("ne", c.c_int64 * 4),
        ("nb", c.c_size_t * 4),
        ("op", c.c_int32),
        ("op_params", c.c_int32 * 16),
        ("flags", c.c_int32),
        ("src", P * 10),
        ("view_src", P),
        ("view_offs", c.c_size_t),
        ("data", P),
        ("name", c.c_char * 64),
        ("extra", P),
        ("padding", c.c_char * 8),
    )


class BufferTypeInterface(c.Structure):
    """``struct ggml_backend_buffer_type_i``."""

    _fields_ = (
        ("get_name", Name),
        ("alloc_buffer", PointerSized),
        ("alloc_buffer_n", P),
        ("get_alignment", Size),
        ("get_max_size", P),
        ("get_alloc_size", SizeOf),
        ("get_alloc_size_n", P),
        ("is_host", Bool),
    )


class BufferType(c.Structure):
    """``struct ggml_backend_buffer_type``."""

    _fields_ = (("iface", BufferTypeInterface), ("device", P), ("context", P))


class BufferInterface(c.Structure):
    """``struct ggml_backend_buffer_i``."""

    _fields_ = (
        ("free_buffer", Nothing),
        ("get_base", Pointer),
        ("init_tensor", P),
        ("memset_tensor", P),
        ("set_tensor", P),
        ("get_tensor", P),
        ("set_tensor_2d", P),
        ("get_tensor_2d", P),
        ("cpy_tensor", P),
        ("clear", Clear),
        ("reset", P),
    )


class Capabilities(c.Structure):
    """``struct ggml_backend_dev_caps``."""

    _fields_ = tuple((name, c.c_bool) for name in ("asynchronous", "host_buffer", "from_host", "events", "mmap"))


class Properties(c.Structure):
    """``struct ggml_backend_dev_props``."""

    _fields_ = (
        ("name", c.c_char_p),
        ("description", c.c_char_p),
        ("free", c.c_size_t),
        ("total", c.c_size_t),
        ("type", c.c_int),
        ("device_id", c.c_char_p),
        ("caps", Capabilities),
    )


GetProperties = c.CFUNCTYPE(None, P, c.POINTER(Properties))


class DeviceInterface(c.Structure):
    """``struct ggml_backend_device_i``."""

    _fields_ = (
        ("get_name", Name),
        ("get_description", Name),
        ("get_memory", Memory),
        ("get_type", Int),
        ("get_props", GetProperties),
        ("init_backend", PointerOf),
        ("get_buffer_type", Pointer),
        ("get_host_buffer_type", Pointer),
        ("buffer_from_host_ptr", P),
        ("supports_op", BoolOf),
        ("supports_buft", BoolOf),
        ("offload_op", BoolOf),
        ("event_new", P),
        ("event_free", P),
        ("event_synchronize", P),
    )


class Device(c.Structure):
    """``struct ggml_backend_device``."""

    _fields_ = (("iface", DeviceInterface), ("reg", P), ("context", P))


class RegistryInterface(c.Structure):
    """``struct ggml_backend_reg_i``."""

    _fields_ = (
        ("get_name", Name),
        ("get_device_count", Size),
        ("get_device", PointerSized),
        ("get_proc_address", PointerOf),
    )


class Registry(c.Structure):
    """``struct ggml_backend_reg``."""

    _fields_ = (("api_version", c.c_int), ("iface", RegistryInterface), ("context", P))


class BackendInterface(c.Structure):
    """``struct ggml_backend_i``."""

    _fields_ = (
        ("get_name", Name),
        ("free", Nothing),
        *((f"tensor_{number}", P) for number in range(10)),  # copies, synchronisation, graph plans: absent
        ("graph_compute", IntOf),
        ("event_record", P),
        ("event_wait", P),
        ("graph_optimize", P),
    )


class Backend(c.Structure):
    """``struct ggml_backend``."""

    _fields_ = (("guid", P), ("iface", BackendInterface), ("device", P), ("context", P))
