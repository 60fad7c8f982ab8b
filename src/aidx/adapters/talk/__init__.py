"""What engines have in common when they are spoken to: addresses, refusals, events, counts, another try."""
