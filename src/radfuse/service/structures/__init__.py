"""Structures that are drawn in the viewer."""
