"""All images of one patient on the grid of the CT: several MR sequences, PET, SPECT."""
