"""The engine's own tokenizer, in a process of its own: counts texts with the vocabulary of a model file.

python tests/engine_tokens.py MODEL.gguf < texts.json
"""

import ctypes as c
import json
import sys

from aidx.adapters.llama.capi import POINTER, LogCallback, open_library
from aidx.adapters.llama.wheel import find_wheel


@LogCallback
def _silent(*_):
    """Say nothing."""


def main():
    library = open_library(str(find_wheel().library))
    library.llama_log_set(_silent, None)
    library.llama_backend_init()
    library.llama_model_get_vocab.restype = POINTER
    library.llama_model_get_vocab.argtypes = [POINTER]
    library.llama_tokenize.argtypes = [POINTER, c.c_char_p, c.c_int32, POINTER, c.c_int32, c.c_bool, c.c_bool]
    options = library.llama_model_default_params()
    options.vocab_only = True
    vocabulary = library.llama_model_get_vocab(library.llama_model_load_from_file(sys.argv[1].encode(), options))
    texts = [text.encode() for text in json.load(sys.stdin)]
    # Without room for the tokens it says how many they are, as a negative number.
    counts = [-library.llama_tokenize(vocabulary, text, len(text), None, 0, False, True) for text in texts]
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main()
