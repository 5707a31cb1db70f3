"""Image files and archives: NIfTI, NRRD, MetaImage, PNG, zip; writes are atomic."""
