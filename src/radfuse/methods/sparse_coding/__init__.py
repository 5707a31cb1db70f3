"""Dictionaries, and the codes of images in them."""
