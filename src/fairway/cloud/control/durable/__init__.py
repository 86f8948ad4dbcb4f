"""How each kind of the emulator's state becomes records of the journal, and comes back."""
