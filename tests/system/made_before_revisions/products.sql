BEGIN TRANSACTION;
CREATE TABLE products (
	id INTEGER NOT NULL,
	title VARCHAR(200) NOT NULL,
	brand VARCHAR(100) NOT NULL,
	category VARCHAR(64) NOT NULL,
	description TEXT NOT NULL,
	price_minor BIGINT NOT NULL,
	currency VARCHAR(3) NOT NULL,
	stock INTEGER NOT NULL,
	thumbnail VARCHAR(500),
	tag_text VARCHAR(500) NOT NULL,
	search_text TEXT NOT NULL,
	source_key VARCHAR(2000),
	PRIMARY KEY (id),
	CONSTRAINT stock_never_negative CHECK (stock >= 0),
	UNIQUE (source_key)
);
CREATE TABLE reservation_lines (
	reservation_id VARCHAR(64) NOT NULL,
	product_id INTEGER NOT NULL,
	quantity INTEGER NOT NULL,
	title VARCHAR(200) NOT NULL,
	price_minor BIGINT NOT NULL,
	currency VARCHAR(3) NOT NULL,
	PRIMARY KEY (reservation_id, product_id),
	CONSTRAINT quantity_positive CHECK (quantity > 0),
	FOREIGN KEY(reservation_id) REFERENCES reservations (id),
	FOREIGN KEY(product_id) REFERENCES products (id)
);
CREATE TABLE reservations (
	id VARCHAR(64) NOT NULL,
	status VARCHAR(20) NOT NULL,
	expires_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_products_price ON products (price_minor, id);
CREATE INDEX ix_products_title ON products (title, id);
CREATE INDEX ix_products_category ON products (category, id);
CREATE INDEX ix_reservations_due ON reservations (status, expires_at);
COMMIT;
