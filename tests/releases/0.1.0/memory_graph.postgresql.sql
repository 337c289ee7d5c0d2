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
INSERT INTO memory_graph.sessions VALUES (1, 'c36c76d5-401f-469e-bcfe-e7688977b77f', '2026-11-28 21:13:06.79104+00', '2026-11-28 21:13:10.867791+00', '{"user":"Zoë"}');
INSERT INTO memory_graph.nodes VALUES (1, '8e30a8f8-ebdf-431b-9da4-93925a510b47', 1, 2, '2026-11-28 21:13:06.846684+00', '\x0a2438653330613866382d656264662d343331622d396461342d393339323561353130623437122463333663373664352d343031662d343639652d626366652d6537363838393737623737661a14486f772074616c6c2069732069743f20f09f9982220c08e287add80610e0bedd93032a240a0c61636d652f6d6f64656c3a3111000000000000e03f180a2201742a060a0161120162');
INSERT INTO memory_graph.nodes VALUES (2, '898ec999-b446-48b1-acbc-33bfb97ad90f', 1, 3, '2026-11-28 21:13:06.892677+00', '\x0a2438393865633939392d623434362d343862312d616362632d333362666239376164393066122438653330613866382d656264662d343331622d396461342d3933393235613531306234371a05333330206d220c08e287add8061088d7d4a9032a0608051006180b321e0a0c61636d652f6d6f64656c3a31120473746f70180722060a0163120164');
INSERT INTO memory_graph.nodes VALUES (3, '81d796d9-0264-46c9-9278-f367a1725f1d', 1, 4, '2026-11-28 21:13:06.89707+00', '\x0a2438316437393664392d303236342d343663392d393237382d663336376131373235663164122438393865633939392d623434362d343862312d616362632d3333626662393761643930661a076d656173757265220f7b226f66223a2022746f776572227d2a09636f6d706c657465643203333330520c08e287add80610b0e7e0ab03');
INSERT INTO memory_graph.nodes VALUES (4, '49a5b45b-483e-4155-93e7-07fcdf457c79', 1, 2, '2026-11-28 21:13:10.867791+00', '\x0a2434396135623435622d343833652d343135352d393365372d303766636466343537633739122463333663373664352d343031662d343639652d626366652d6537363838393737623737661a14416e6420776861742063616d652061667465723f220c08e687add8061098e1e59d03');
SELECT pg_catalog.setval('memory_graph.nodes_number_seq', 4, true);
SELECT pg_catalog.setval('memory_graph.sessions_number_seq', 1, true);
