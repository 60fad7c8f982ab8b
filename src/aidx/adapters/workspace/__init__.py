"""A folder of files that is changed as a whole or not at all.

``tree`` walks without following links, ``journal`` orders the writes so that a cut at any point leaves the old
tree or the new one, ``held`` keeps other processes out.
"""
