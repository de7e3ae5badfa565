-- What the migrations make of a new SQLite database, at once. tests/store/test_migrating.py holds it to that.
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE digests (
    digest TEXT NOT NULL,
    key_id TEXT NOT NULL,
    hint TEXT NOT NULL,
    until DOUBLE,
    PRIMARY KEY (digest),
    FOREIGN KEY(key_id) REFERENCES keys (id)
);
CREATE TABLE keys (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    grant_json TEXT NOT NULL,
    created DOUBLE NOT NULL,
    made_by TEXT NOT NULL,
    revoked DOUBLE,
    revision BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE memory (
    "key" TEXT NOT NULL,
    value BLOB NOT NULL,
    until DOUBLE NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE revisions (
    number BIGINT NOT NULL
);
INSERT INTO "revisions" VALUES(0);
CREATE TABLE spent (
    "key" TEXT NOT NULL,
    model TEXT NOT NULL,
    period TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    PRIMARY KEY ("key", model, period)
);
CREATE TABLE trims (
    "before" DOUBLE NOT NULL
);
INSERT INTO "trims" VALUES(0.0);
CREATE TABLE usage (
    id TEXT NOT NULL,
    at DOUBLE NOT NULL,
    day TEXT NOT NULL,
    "key" TEXT NOT NULL,
    model TEXT NOT NULL,
    backend TEXT NOT NULL,
    surface TEXT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    estimated INTEGER NOT NULL,
    cost BIGINT NOT NULL,
    status INTEGER NOT NULL,
    first DOUBLE,
    total DOUBLE NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE usage_days (
    day TEXT NOT NULL,
    "key" TEXT NOT NULL,
    model TEXT NOT NULL,
    backend TEXT NOT NULL,
    surface TEXT NOT NULL,
    calls BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    seconds DOUBLE NOT NULL,
    PRIMARY KEY (day, "key", model, backend, surface)
);
CREATE UNIQUE INDEX keys_name ON keys (name) WHERE revoked IS NULL;
CREATE INDEX keys_revision ON keys (revision);
CREATE INDEX ix_digests_key_id ON digests (key_id);
CREATE INDEX usage_at ON usage (at);
CREATE INDEX usage_key_at ON usage ("key", at);
CREATE INDEX spent_period ON spent (period);
CREATE INDEX memory_until ON memory (until);
