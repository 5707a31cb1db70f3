"""Validation of DICOM files: attributes, pixels, references, series geometry."""
