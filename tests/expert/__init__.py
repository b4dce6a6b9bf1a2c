"""The Expert Advisor, built with g++ over a shim of MQL4: `make test-expert`."""
