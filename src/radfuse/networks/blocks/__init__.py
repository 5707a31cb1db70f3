"""Building blocks that networks of several papers share."""
