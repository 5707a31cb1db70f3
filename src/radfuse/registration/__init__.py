"""Rigid registration of a CT and an MR of one head, and how far to trust it."""
