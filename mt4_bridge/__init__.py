"""The REST bridge to a MetaTrader 4 terminal: durable commands in, tickets and executions out."""
