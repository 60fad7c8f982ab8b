"""The Hugging Face hub: what a repository holds, its files by ranges, and whole files into the shared cache."""
