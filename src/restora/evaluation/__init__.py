"""Metrics, protocols and the published numbers beside ours."""
