"""Fusion methods of the literature that learn nothing: those of authors' code, and own rules.

The column "proven by" of docs/methods.md says which equals its authors' images, and which is a rule
of this project after a title or an abstract.
"""
