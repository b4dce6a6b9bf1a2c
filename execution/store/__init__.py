"""PostgreSQL is the truth: tables, and the transactions that change them."""
