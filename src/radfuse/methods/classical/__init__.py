"""Fusion methods of the literature that learn nothing, equal to their authors' code."""
