"""Training of SR-Diff: what makes its judge, its refiner and its denoiser."""
