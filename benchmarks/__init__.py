"""What an order costs, measured against Celery itself: `python -m benchmarks`."""
