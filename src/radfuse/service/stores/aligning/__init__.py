"""What a person aligns: landmark pairs, named alignments, and the region of a registration."""
