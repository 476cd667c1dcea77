"""TIFFs, directory by directory."""
