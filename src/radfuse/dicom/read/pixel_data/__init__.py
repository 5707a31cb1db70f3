"""Pixel data of DICOM files: whether they are complete, and their stored values."""
