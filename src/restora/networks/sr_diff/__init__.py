"""SR-Diff: a mean-reverting diffusion in pixels, guided by what the picture shows."""
