"""Weights of the release: over HTTP or from an archive into a cache, checked on the way."""
