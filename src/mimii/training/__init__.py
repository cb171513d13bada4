"""The one training loop, inference with a network, and the devices that both run on."""
