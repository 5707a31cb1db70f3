"""Commands that train networks, export them, and list and install weights."""
