"""The pure core: orders, instruments, routing, ports. Imports nothing of ours and no driver."""
