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
INSERT INTO memory_graph.sessions VALUES (1, 'bbda3b1c-03e1-41f5-9b46-48000e9dcb89', '2026-11-29 00:56:53.204326+00', '2026-11-29 00:56:54.300584+00', '{"user":"Zoë"}');
INSERT INTO memory_graph.nodes VALUES (1, '74a6ec6a-ac94-4dca-af95-46c84fb5a6a6', 1, 2, '2026-11-29 00:56:53.218839+00', '\x0a2437346136656336612d616339342d346463612d616639352d343663383466623561366136122462626461336231632d303365312d343166352d396234362d3438303030653964636238391a14486f772074616c6c2069732069743f20f09f9982220b08d5f0add80610d8efac682a240a0c61636d652f6d6f64656c3a3111000000000000e03f180a2201742a060a0161120162');
INSERT INTO memory_graph.nodes VALUES (2, '1868645c-8b0f-4965-95cc-ecbc54100b4b', 1, 3, '2026-11-29 00:56:53.237862+00', '\x0a2431383638363435632d386230662d343936352d393563632d656362633534313030623462122437346136656336612d616339342d346463612d616639352d3436633834666235613661361a05333330206d220b08d5f0add80610f0f8b5712a0608051006180b321e0a0c61636d652f6d6f64656c3a31120473746f70180722060a0163120164');
INSERT INTO memory_graph.nodes VALUES (3, '6ce2b70d-65e3-44d1-b11d-8fe64ed546e1', 1, 4, '2026-11-29 00:56:53.243765+00', '\x0a2436636532623730642d363565332d343464312d623131642d386665363465643534366531122431383638363435632d386230662d343936352d393563632d6563626335343130306234621a076d656173757265220f7b226f66223a2022746f776572227d2a09636f6d706c657465643203333330520b08d5f0add80610889e9e74');
INSERT INTO memory_graph.nodes VALUES (4, '66488ba6-aeb4-44a4-b9df-16f345c1f0ef', 1, 2, '2026-11-29 00:56:54.300584+00', '\x0a2436363438386261362d616562342d343461342d623964662d313666333435633166306566122462626461336231632d303365312d343166352d396234362d3438303030653964636238391a14416e6420776861742063616d652061667465723f220c08d6f0add80610c098aa8f01');
SELECT pg_catalog.setval('memory_graph.nodes_number_seq', 4, true);
SELECT pg_catalog.setval('memory_graph.sessions_number_seq', 1, true);
