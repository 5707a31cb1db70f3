"""A synthetic head phantom with known ground truth, as arrays and as DICOM."""
