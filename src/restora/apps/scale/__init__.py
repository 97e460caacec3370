"""Archives on many processes or machines: Ray Data around the same Restorer, stores by fsspec."""
