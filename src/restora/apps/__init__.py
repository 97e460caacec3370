"""Programs around the engine: the web page and its API."""
