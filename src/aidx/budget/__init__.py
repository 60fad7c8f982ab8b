"""How much: the ledger of bytes and the arithmetic that fills it. Pure."""
