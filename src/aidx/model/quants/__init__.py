"""Which type llama-quantize gives each tensor, from names and shapes alone.

A file type (``Q4_K_M``) is a default tensor type plus exceptions by the tensor's place in the model; a row
that does not divide into blocks falls back to a type with smaller ones. Rules: llama.cpp's
``src/llama-quant.cpp`` at 0c1e57098. Reading a file needs its type's name alone, so that ``assign`` stands apart.
"""

from aidx.model.quants.filetypes import FILE_TYPES, FileType, find, parse_name

__all__ = ["FILE_TYPES", "FileType", "find", "parse_name"]
