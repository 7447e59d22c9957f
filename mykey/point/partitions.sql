-- Divides the tables of a ledger on PostgreSQL into 16 hash partitions each: what
-- is of one holder by the holder, requests, aliases and claims by their own keys.
-- Run it in the schema of the tables, after the first Open and while no program
-- is at work. The prefix is point_. docs/scale.md says when it pays.
DO $$
DECLARE
	t record;
	i record;
BEGIN
	FOR t IN SELECT * FROM (VALUES ('holder', 'id'), ('alias', 'mykey'), ('request', 'scope, name'), ('claim', 'partner, reference'),
		('lot', 'holder'), ('unproved', 'holder'), ('operation', 'holder'), ('entry', 'holder')) AS v (name, key)
	LOOP
		EXECUTE format('ALTER TABLE point_%s RENAME TO point_whole', t.name);
		EXECUTE format('CREATE TABLE point_%s (LIKE point_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH (%s)', t.name, t.key);
		FOR part IN 0..15 LOOP
			EXECUTE format('CREATE TABLE point_%s_%s PARTITION OF point_%1$s FOR VALUES WITH (MODULUS 16, REMAINDER %2$s)', t.name, part);
		END LOOP;
		EXECUTE format('INSERT INTO point_%s SELECT * FROM point_whole', t.name);
		FOR i IN SELECT conname AS name, pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE contype = 'p' AND conrelid = 'point_whole'::regclass LOOP
			EXECUTE format('ALTER TABLE point_whole DROP CONSTRAINT %I', i.name);
			EXECUTE format('ALTER TABLE point_%s ADD CONSTRAINT %I %s', t.name, i.name, i.def);
		END LOOP;
		FOR i IN SELECT indexname AS name, indexdef AS def FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'point_whole' LOOP
			EXECUTE format('DROP INDEX %I', i.name);
			EXECUTE replace(i.def, '.point_whole ', '.point_' || t.name || ' ');
		END LOOP;
		DROP TABLE point_whole;
	END LOOP;
END $$;
