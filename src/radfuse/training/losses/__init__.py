"""Training losses, by the paper they come from."""
