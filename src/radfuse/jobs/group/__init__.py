"""The group report of a batch."""
