"""Superintel Execution: takes orders in, brings each to its end, and says what happened."""
