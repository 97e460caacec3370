"""Training: recipe, data, loop, checkpoint."""
