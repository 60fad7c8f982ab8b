"""Load, proof and loss measurement; ."""
