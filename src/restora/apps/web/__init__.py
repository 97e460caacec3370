"""The page and the REST API that ``restora serve`` starts."""
