"""One Celery task for each step of an order, and intake, reroute and recovery around them."""
