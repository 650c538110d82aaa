"""What gateways ask so that they can tell by themselves who calls."""
