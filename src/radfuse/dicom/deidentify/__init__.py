"""De-identification by the DICOM confidentiality profile."""
