"""Fusion of 2-D images: in colour, and of whole folders."""
