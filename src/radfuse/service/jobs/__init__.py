"""Fusions that the service runs, each in a process of its own."""
