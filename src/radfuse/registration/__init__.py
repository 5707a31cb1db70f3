"""Rigid registration of a CT and an MR of one head, and the estimate of its error."""
