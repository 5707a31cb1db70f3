"""From results to DICOM objects: series, colour, registration, sign-off."""
