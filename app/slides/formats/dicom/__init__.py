"""DICOM slides."""
