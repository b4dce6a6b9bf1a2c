"""What leaves through Redis: the published streams, and the cache of quotes that comes in."""
