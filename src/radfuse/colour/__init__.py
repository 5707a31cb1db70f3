"""Colour: spaces, colour maps of functional images, and differences that a reader sees."""
