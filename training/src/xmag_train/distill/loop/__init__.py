"""The training loop and its parts: data, batches, learner, objective, checkpoint."""
