"""Which repository of the hub holds the files that the catalogue knows the sizes of."""

from aidx.model.catalogue import Entry


def repository(entry: Entry, quant: str) -> str | None:
    """The maker's own GGUF repository, where a file of *entry* at *quant* from there is known; else ``None``.

    A maker who publishes GGUF files does so in ``ORG/NAME-GGUF``, beside ``ORG/NAME``.
    """
    maker = entry.hf_id.partition("/")[0]
    known = any(file.publisher == maker and file.quant == quant for file in entry.files)
    return f"{entry.hf_id}-GGUF" if known else None
