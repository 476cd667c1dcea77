"""Student and head learn together, from slides' labels, while the student is held to what it was distilled to."""
