"""BIDS data sets: as input, and as derivatives."""
