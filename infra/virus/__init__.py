"""A clamd behind the ports of `gateways.virus.scanning`, and what is kept of its answers."""
