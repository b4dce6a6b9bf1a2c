"""What an operator allows: limits and the trading state, as pure rules."""
