"""Other people's clients of Binance against the simulator (`make test-clients`)."""
