"""DICOM: from a scanner's files to volumes, and from results to objects that a PACS takes."""
