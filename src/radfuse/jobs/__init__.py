"""Fusions to be done: a durable list of jobs, workers, and batches of patients."""
