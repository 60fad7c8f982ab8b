"""What a model is shown: the symbol or the file that a step is about, and an outline of the rest."""
