"""Parameter files as authors distribute them, read without the programs that wrote them."""
