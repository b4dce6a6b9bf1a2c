"""The contract of `execution.domain.ports.Broker`: one suite that every adapter passes."""
