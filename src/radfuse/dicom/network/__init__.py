"""A PACS by DIMSE or DICOMweb: echo, send, find, get."""
