"""Where the files of strangers lie: beside the repository, never in it.

Who has only the repository has not got them; then the tests that read them say so and are left out. Where the folder
is, nothing of it may be missing.
"""

from pathlib import Path

import pytest

PAYMENTS = Path(__file__).parents[2] / "../shared/data/payments"

if not PAYMENTS.is_dir():
    pytest.skip(f"the files of strangers are not at {PAYMENTS}", allow_module_level=True)
