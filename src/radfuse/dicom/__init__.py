"""DICOM: from a scanner's files to volumes, and from results to objects for a PACS."""
