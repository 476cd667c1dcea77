"""What people take away: result schema, heatmap, GeoJSON, HDF5."""
