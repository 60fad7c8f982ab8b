"""What an engine's processes hold, seen from outside: the kernel's account for RAM, the drivers' for GPUs."""
