"""The project's image in containers: needs a Docker engine, so `make test-docker`."""
