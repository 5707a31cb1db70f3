"""Registration of PET and SPECT to an MR or a CT of the head, with a verdict of its own."""
