"""Where the file of a catalogue model is to be had: on the hub, at Ollama, or as a checkpoint alone."""

from aidx.model.catalogue import Entry


def repository(entry: Entry, quant: str) -> str | None:
    """The GGUF repository that is known to hold a file of *entry* at *quant*; else ``None``.

    A maker who publishes GGUF files does so in ``ORG/NAME-GGUF``, beside ``ORG/NAME``; some entries are such a
    repository themselves.
    """
    if entry.hf_id.lower().endswith("-gguf"):
        return entry.hf_id if quant == entry.native else None
    maker = entry.hf_id.partition("/")[0]
    known = any(file.publisher == maker and file.quant == quant for file in entry.files)
    return f"{entry.hf_id}-GGUF" if known else None


def fetch_line(entry: Entry, quant: str, typed: str = "") -> str:
    """The command that fetches *entry* at *quant*: ours where a repository is known, else another program's.

    *typed* is what the user called it, which is kept where it is a tag of Ollama's. Which tag of Ollama's has another
    quantization than the usual one is not known, and said.
    """
    if repository(entry, quant) is not None:
        return f"aidx pull {entry.id}" + (f" --quant {quant}" if quant != entry.native else "")
    line = elsewhere(entry, typed)
    unsure = quant != entry.native and not line.endswith(f" {typed}")
    return f"{line} (which may not be {quant})" if unsure else line


def elsewhere(entry: Entry, typed: str = "") -> str:
    """The command of another program that fetches *entry*: Ollama where it has a name there."""
    names = [alias for alias in entry.aliases if ":" in alias]
    if not names:
        return f"hf download {entry.hf_id}"
    model, tag, _ = typed.partition(":")
    own = bool(tag) and model.lower() in {name.partition(":")[0] for name in names}
    return f"ollama pull {typed if own else names[0]}"
