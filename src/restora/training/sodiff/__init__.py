"""The four stages of a SODiff: codec, prior, prompt, one step."""
