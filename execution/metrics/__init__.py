"""What monitoring is told: a Prometheus endpoint that reads PostgreSQL and Redis when asked."""
