"""The one training loop, how networks are applied, and the devices that they run on."""
