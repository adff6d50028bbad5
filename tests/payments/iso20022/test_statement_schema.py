"""A statement is valid by the published schema of camt.052, its twin, which lies beside the repository.

camt.052.001.08 is camt.053.001.08 with other names for its two outermost elements; it asks for the rest alike.
"""

import pytest

from ropewalk.systems.payments.iso20022.parsing import parse
from ropewalk.systems.payments.iso20022.schemas import schemas_in
from ropewalk.systems.payments.iso20022.statement import Statement, write_camt053
from tests.payments.iso20022.test_statement import statement
from tests.payments.shared import PAYMENTS

TWIN = {b"camt.053.001.08": b"camt.052.001.08", b"BkToCstmrStmt": b"BkToCstmrAcctRpt", b"Stmt>": b"Rpt>"}


@pytest.mark.parametrize("made", [statement(), statement(100_00), statement(100_00, -51_74, opening=-10_00)])
def test_a_statement_is_valid(made: Statement) -> None:
    content = write_camt053(made)
    for ours, theirs in TWIN.items():
        content = content.replace(ours, theirs)
    assert schemas_in(PAYMENTS / "iso20022" / "xsd").faults_of(parse(content)) == []
