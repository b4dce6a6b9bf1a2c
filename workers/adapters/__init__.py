"""One module for each broker, each the only place that knows how that broker speaks."""
