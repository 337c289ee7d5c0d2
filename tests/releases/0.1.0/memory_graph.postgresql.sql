CREATE SCHEMA memory_graph;
CREATE TABLE memory_graph.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE memory_graph.nodes (
    number bigint NOT NULL,
    node_id character varying(256) NOT NULL,
    session_number bigint NOT NULL,
    node_type integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    message bytea NOT NULL
);
CREATE SEQUENCE memory_graph.nodes_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE memory_graph.nodes_number_seq OWNED BY memory_graph.nodes.number;
CREATE TABLE memory_graph.sessions (
    number bigint NOT NULL,
    session_id character varying(256) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    details text NOT NULL
);
CREATE SEQUENCE memory_graph.sessions_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE memory_graph.sessions_number_seq OWNED BY memory_graph.sessions.number;
ALTER TABLE ONLY memory_graph.nodes ALTER COLUMN number SET DEFAULT nextval('memory_graph.nodes_number_seq'::regclass);
ALTER TABLE ONLY memory_graph.sessions ALTER COLUMN number SET DEFAULT nextval('memory_graph.sessions_number_seq'::regclass);
ALTER TABLE ONLY memory_graph.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY memory_graph.nodes
    ADD CONSTRAINT nodes_node_id_unique UNIQUE (node_id);
ALTER TABLE ONLY memory_graph.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (number);
ALTER TABLE ONLY memory_graph.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (number);
ALTER TABLE ONLY memory_graph.sessions
    ADD CONSTRAINT sessions_session_id_unique UNIQUE (session_id);
CREATE INDEX nodes_by_session ON memory_graph.nodes USING btree (session_number, number);
ALTER TABLE ONLY memory_graph.nodes
    ADD CONSTRAINT nodes_session_number_fkey FOREIGN KEY (session_number) REFERENCES memory_graph.sessions(number) ON DELETE CASCADE;

INSERT INTO memory_graph.alembic_version VALUES ('memory_graph_0001');
INSERT INTO memory_graph.sessions VALUES (1, 'c6275f4c-4d0e-495a-a774-4a0f1df67951', '2026-11-28 21:23:56.457153+00', '2026-11-28 21:23:57.09989+00', '{"user":"Zoë"}');
INSERT INTO memory_graph.nodes VALUES (1, 'e20cc7a9-c93d-44f6-b436-67c81d02cb90', 1, 2, '2026-11-28 21:23:56.466025+00', '\x0a2465323063633761392d633933642d343466362d623433362d363763383164303263623930122463363237356634632d346430652d343935612d613737342d3461306631646636373935311a14486f772074616c6c2069732069743f20f09f9982220c08ec8cadd80610a8f49bde012a240a0c61636d652f6d6f64656c3a3111000000000000e03f180a2201742a060a0161120162');
INSERT INTO memory_graph.nodes VALUES (2, '530f2fad-a0bd-47f9-a19f-e694167d6167', 1, 3, '2026-11-28 21:23:56.476656+00', '\x0a2435333066326661642d613062642d343766392d613139662d653639343136376436313637122465323063633761392d633933642d343466362d623433362d3637633831643032636239301a05333330206d220c08ec8cadd8061080e3a4e3012a0608051006180b321e0a0c61636d652f6d6f64656c3a31120473746f70180722060a0163120164');
INSERT INTO memory_graph.nodes VALUES (3, '251b056b-3ce8-4442-881e-cdbb246d5593', 1, 4, '2026-11-28 21:23:56.482002+00', '\x0a2432353162303536622d336365382d343434322d383831652d636462623234366435353933122435333066326661642d613062642d343766392d613139662d6536393431363764363136371a076d656173757265220f7b226f66223a2022746f776572227d2a09636f6d706c657465643203333330520c08ec8cadd80610d088ebe501');
INSERT INTO memory_graph.nodes VALUES (4, '95a90f26-379e-4b92-8262-c1d8aa5b46af', 1, 2, '2026-11-28 21:23:57.09989+00', '\x0a2439356139306632362d333739652d346239322d383236322d633164386161356234366166122463363237356634632d346430652d343935612d613737342d3461306631646636373935311a14416e6420776861742063616d652061667465723f220b08ed8cadd80610d0e6d02f');
SELECT pg_catalog.setval('memory_graph.nodes_number_seq', 4, true);
SELECT pg_catalog.setval('memory_graph.sessions_number_seq', 1, true);
