"""One file of handlers for each part of the HTTP contract."""
