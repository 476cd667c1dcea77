"""What people download: result schema, heatmap, GeoJSON, HDF5."""
