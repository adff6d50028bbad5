"""The only code that touches disk, network and clock: each module implements ports of the layers below."""
