"""Experiments on phantoms with known ground truth."""
