"""What a region looks like to a run: symmetries, stain, disturbances, collages, and the readings at 5x."""
