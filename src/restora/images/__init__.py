"""Pictures: files to pixels and back, with everything else a file holds."""
