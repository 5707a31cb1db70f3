"""Files in, files out: DICOM, NIfTI, NRRD, MHA, pictures, the QA sheet; writes are atomic."""
