-- The same double-entry transfer in PostgreSQL, as one of its experts would write it: one statement a transfer, which
-- checks the debit account's limit, refuses an id that is used, and moves the amount between two accounts.

CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    debits_posted bigint NOT NULL DEFAULT 0,
    credits_posted bigint NOT NULL DEFAULT 0,
    is_limited boolean NOT NULL,
    ledger integer NOT NULL,
    code smallint NOT NULL,
    CHECK (NOT is_limited OR debits_posted <= credits_posted)
) WITH (fillfactor = 50);

CREATE TABLE transfers (
    id uuid PRIMARY KEY,
    debit_account_id bigint NOT NULL,
    credit_account_id bigint NOT NULL,
    amount bigint NOT NULL,
    ledger integer NOT NULL,
    code smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX transfers_of_debit_account ON transfers (debit_account_id, created_at);
CREATE INDEX transfers_of_credit_account ON transfers (credit_account_id, created_at);

CREATE SEQUENCE transfer_ids CACHE 1000;

CREATE FUNCTION transfer(id uuid, debit bigint, credit bigint, amount bigint) RETURNS text AS $$
DECLARE
    allowed boolean;
BEGIN
    -- The rows are locked in the order of their ids, or two transfers in opposite directions would wait for each other.
    PERFORM FROM accounts WHERE accounts.id IN (debit, credit) ORDER BY accounts.id FOR NO KEY UPDATE;
    SELECT NOT is_limited OR debits_posted + amount <= credits_posted INTO allowed FROM accounts
        WHERE accounts.id = debit;
    IF NOT allowed THEN
        RETURN 'exceeds_credits';
    END IF;
    INSERT INTO transfers VALUES (id, debit, credit, amount, 1, 1) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'exists';
    END IF;
    UPDATE accounts SET debits_posted = debits_posted + amount WHERE accounts.id = debit;
    UPDATE accounts SET credits_posted = credits_posted + amount WHERE accounts.id = credit;
    RETURN 'created';
END
$$ LANGUAGE plpgsql;
