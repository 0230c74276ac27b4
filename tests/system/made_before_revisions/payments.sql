BEGIN TRANSACTION;
CREATE TABLE idempotency_records (
	owner VARCHAR(128) NOT NULL,
	"key" VARCHAR(255) NOT NULL,
	fingerprint VARCHAR(64) NOT NULL,
	subject VARCHAR(64) NOT NULL,
	created_at DATETIME NOT NULL,
	status INTEGER,
	headers JSON,
	body BLOB,
	PRIMARY KEY (owner, "key")
);
CREATE TABLE ledger_entries (
	posting VARCHAR(160) NOT NULL,
	account VARCHAR(64) NOT NULL,
	currency VARCHAR(3) NOT NULL,
	amount_minor BIGINT NOT NULL,
	created_at DATETIME NOT NULL,
	PRIMARY KEY (posting, account),
	CONSTRAINT ck_ledger_entries_amount CHECK (amount_minor <> 0)
);
CREATE TABLE payments (
	id VARCHAR(64) NOT NULL,
	order_id VARCHAR(64) NOT NULL,
	user_id VARCHAR(128) NOT NULL,
	status VARCHAR(20) NOT NULL,
	currency VARCHAR(3) NOT NULL,
	amount_minor BIGINT NOT NULL,
	captured_minor BIGINT NOT NULL,
	claimed_minor BIGINT NOT NULL,
	refunded_minor BIGINT NOT NULL,
	card_token VARCHAR(64) NOT NULL,
	refusal VARCHAR(32),
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT ck_payments_amounts CHECK (0 <= refunded_minor AND refunded_minor <= claimed_minor AND claimed_minor <= captured_minor AND captured_minor IN (0, amount_minor)),
	UNIQUE (order_id)
);
CREATE TABLE refunds (
	id VARCHAR(64) NOT NULL,
	payment_id VARCHAR(64) NOT NULL,
	amount_minor BIGINT NOT NULL,
	created_at DATETIME NOT NULL,
	completed_at DATETIME,
	PRIMARY KEY (id),
	FOREIGN KEY(payment_id) REFERENCES payments (id)
);
CREATE TABLE webhook_events (
	id VARCHAR(128) NOT NULL,
	type VARCHAR(64) NOT NULL,
	payment_id VARCHAR(64) NOT NULL,
	received_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_idempotency_records_created_at ON idempotency_records (created_at);
CREATE INDEX ix_refunds_payment_id ON refunds (payment_id);
COMMIT;
