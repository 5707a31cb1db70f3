"""Image files and archives: NIfTI, NRRD, MetaImage, PNG, zip, tar; writes are atomic."""
