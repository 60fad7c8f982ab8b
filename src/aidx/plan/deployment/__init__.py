"""All roles of a deployment on the same devices, resident together: who is in it, how they fit, what would help."""
