"""What the student is to predict: the teacher run, its embeddings kept, and their normalisation."""
