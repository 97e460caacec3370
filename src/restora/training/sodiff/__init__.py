"""The five stages of a SODiff's training: codec, prior, prompt, predictor, one step."""
