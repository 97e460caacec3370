"""SODiff: one step of diffusion that knows what it looks at."""
