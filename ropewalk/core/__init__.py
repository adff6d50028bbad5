"""The pure heart: no disk, network, clock or randomness is reached from here."""
