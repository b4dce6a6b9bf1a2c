"""How each asset class spells its symbols, one module a class, with the tables they read."""
