BEGIN TRANSACTION;
CREATE TABLE signing_keys (
	generation INTEGER NOT NULL,
	key_id VARCHAR(43) NOT NULL,
	private_key BLOB NOT NULL,
	created_at DATETIME NOT NULL,
	PRIMARY KEY (generation),
	UNIQUE (key_id)
);
CREATE TABLE users (
	id VARCHAR(32) NOT NULL,
	username VARCHAR(64) NOT NULL,
	folded_username VARCHAR(64) NOT NULL,
	email VARCHAR(254),
	folded_email VARCHAR(762),
	roles JSON NOT NULL,
	password_hash VARCHAR(255) NOT NULL,
	is_demo BOOLEAN NOT NULL,
	created_at DATETIME NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (folded_username),
	UNIQUE (folded_email)
);
COMMIT;
