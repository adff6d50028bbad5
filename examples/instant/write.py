"""Writes the files of this folder again: `python examples/instant/write.py`. They are the same bytes every time."""

from pathlib import Path

from ropewalk.systems.payments.iso20022.samples import SAMPLES

for name, sample in SAMPLES.items():
    (Path(__file__).parent / name).write_bytes(sample())
