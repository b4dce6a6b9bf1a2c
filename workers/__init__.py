"""The processes: the Celery app, and in each broker's worker the connection it owns."""
