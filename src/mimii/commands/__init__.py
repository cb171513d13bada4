"""From options to settings, from settings to the engine, from its outcome to an exit status; and the console."""
