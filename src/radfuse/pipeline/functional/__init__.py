"""Volumes of PET and SPECT in colour on the grid of an MR or CT."""
