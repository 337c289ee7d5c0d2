CREATE SCHEMA vault;
CREATE TABLE vault.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE vault.answers (
    route character varying(200) NOT NULL,
    key character varying(255) NOT NULL,
    body_mark character varying(100) NOT NULL,
    answer text NOT NULL,
    kept_until timestamp with time zone NOT NULL
);
CREATE TABLE vault.archives (
    archive_id character varying(256) NOT NULL,
    session_id character varying(256) NOT NULL,
    body bytea NOT NULL,
    key_id character varying(16) NOT NULL,
    wrapped_key bytea NOT NULL,
    archived_at timestamp with time zone NOT NULL,
    retention_days integer NOT NULL,
    kept_days integer NOT NULL,
    kept_until timestamp with time zone NOT NULL,
    policy_id character varying(256),
    received_at timestamp with time zone
);
CREATE TABLE vault.deletions (
    number bigint NOT NULL,
    archive_id character varying(256) NOT NULL,
    session_id character varying(256) NOT NULL,
    policy_id character varying(256),
    archived_at timestamp with time zone NOT NULL,
    kept_until timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone NOT NULL,
    why character varying(16) NOT NULL,
    received_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE vault.deletions_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE vault.deletions_number_seq OWNED BY vault.deletions.number;
CREATE TABLE vault.policies (
    policy_id character varying(256) NOT NULL,
    retention_days integer NOT NULL,
    auto_delete boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    content text NOT NULL
);
ALTER TABLE ONLY vault.deletions ALTER COLUMN number SET DEFAULT nextval('vault.deletions_number_seq'::regclass);
ALTER TABLE ONLY vault.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY vault.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (route, key);
ALTER TABLE ONLY vault.archives
    ADD CONSTRAINT archives_pkey PRIMARY KEY (archive_id);
ALTER TABLE ONLY vault.deletions
    ADD CONSTRAINT deletions_pkey PRIMARY KEY (number);
ALTER TABLE ONLY vault.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (policy_id);
CREATE INDEX answers_kept_until ON vault.answers USING btree (kept_until);
CREATE INDEX archives_key_id_archive_id ON vault.archives USING btree (key_id, archive_id);
CREATE INDEX archives_policy_id_kept_until_archive_id ON vault.archives USING btree (policy_id, kept_until, archive_id);
CREATE INDEX archives_session_id ON vault.archives USING btree (session_id);
CREATE INDEX deletions_archive_id ON vault.deletions USING btree (archive_id);
CREATE INDEX deletions_session_id ON vault.deletions USING btree (session_id);

INSERT INTO vault.alembic_version VALUES ('vault_0002');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', 'sample-archive-key', '8b69f7f3b54c0afe:5124cf8982f261671083c20d672c298c4d4989e09411e540a725a5e43630598e', '{"archive_id": "a-standard", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2027-12-24T00:56:52.928343Z", "received_at": "2026-11-19T00:56:52.928343Z", "session_id": "s-standard", "status": "archived"}', '2027-02-17 00:56:52.976347+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', 'sample-batch-key:d364dbede1853470efb2cc18933931d50a9981d239576af8657bf6e04b141b25', '8b69f7f3b54c0afe:282f48d3b16accfc9ae01415bdfcfe8a83039c199dd76bb1146d3570face59ff', '{"archived": ["a-batch"], "failed": [], "success_count": 1, "total": 1}', '2027-02-17 00:56:52.999145+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-standard', '8b69f7f3b54c0afe:9fcf6a8209fd2e55bfcfc2d079a449d5bc3f29129100eef80ecfbd4cb8923a4a', '{"policy_id": "p-standard"}', '2027-02-17 00:56:53.015211+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0c19-7549-9b68-3ae0cbf3cfff', '8b69f7f3b54c0afe:88c5f5a9404688f53817205f1cc1132c67af99a3387a325491f3c0fe08f6ec74', '{"archive_id": "a-of-standard", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-20T00:56:53.019247Z", "received_at": "2026-11-19T00:56:53.019247Z", "session_id": "s-standard", "status": "archived"}', '2027-02-17 00:56:53.026056+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-hipaa', '8b69f7f3b54c0afe:0252c2fdabdc0912315161e8cdb66a1bcc1a5e2d9069a85c273e81a792d4018b', '{"policy_id": "p-hipaa"}', '2027-02-17 00:56:53.048466+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0c3c-7da8-b91b-d20132311176', '8b69f7f3b54c0afe:825ebaf0fc8ddc327ea866e055865b17fa7cc56224d72c2b9773f4a8a8f037eb', '{"archive_id": "a-of-hipaa", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-17T00:56:53.053306Z", "received_at": "2026-11-19T00:56:53.053306Z", "session_id": "s-hipaa", "status": "archived"}', '2027-02-17 00:56:53.061804+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-gdpr', '8b69f7f3b54c0afe:45357281938c0ef1ebe4ab63fb45eb102b7ce23584f78c484d36541c7856d048', '{"policy_id": "p-gdpr"}', '2027-02-17 00:56:53.078917+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0c58-762c-9af3-afb2fe114c40', '8b69f7f3b54c0afe:d5fa0ad32a410bf6f5b260b11f32e1ca620ae00b1eec07bc51168b887cee9383', '{"archive_id": "a-of-gdpr", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-17T00:56:53.081501Z", "received_at": "2026-11-19T00:56:53.081501Z", "session_id": "s-gdpr", "status": "archived"}', '2027-02-17 00:56:53.091834+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-pci', '8b69f7f3b54c0afe:46753ecdb752db04ccab634068bc564adcfec7660c8a707929bcb81f1bc5e4d6', '{"policy_id": "p-pci"}', '2027-02-17 00:56:53.115393+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0c7d-7e90-84d8-2bfa946bd5a4', '8b69f7f3b54c0afe:24a907863442dfa9b97a2ad73433adcc7cf37732fb084666f9d2685a4d242feb', '{"archive_id": "a-of-pci", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2029-11-18T00:56:53.118361Z", "received_at": "2026-11-19T00:56:53.118361Z", "session_id": "s-pci", "status": "archived"}', '2027-02-17 00:56:53.124995+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-soc2', '8b69f7f3b54c0afe:0cad2ddd782ede0ad5846e084b5134b689fa77f25b30d5d671559045b332ee71', '{"policy_id": "p-soc2"}', '2027-02-17 00:56:53.142088+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0c97-7d78-a123-5eec1c98c784', '8b69f7f3b54c0afe:7162443f58f868165cd4ef3d3b60cea293e33137bbdf36aa2a739a6a3652ba51', '{"archive_id": "a-of-soc2", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-17T00:56:53.144921Z", "received_at": "2026-11-19T00:56:53.144921Z", "session_id": "s-soc2", "status": "archived"}', '2027-02-17 00:56:53.152539+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', '01a224ce-0ca8-7f0c-89d7-025db72fda42', '8b69f7f3b54c0afe:95b676d172ccd89500935240db4f51a8a8f49443009247410dcb96a79e03d055', '{"policy_id": "p-a-day"}', '2027-02-17 00:56:53.166822+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0cb7-707f-a39e-a3db592e39ee', '8b69f7f3b54c0afe:a7a7cd71477cf53e20e42eadd27f0b8e84261ccdffd8c07c9a26c8cd2d4c9b7c', '{"archive_id": "a-deleted", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-20T00:56:53.176130Z", "received_at": "2026-11-19T00:56:53.176130Z", "session_id": "s-gone", "status": "archived"}', '2027-02-17 00:56:53.180889+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-0cbe-704a-8c5a-74dd7a7ece01', '8b69f7f3b54c0afe:e81a132a881f546687ebfa9af90181a64221b9f6ac60b073cf4e05500a557634', '{"archive_id": "a-expired", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-20T00:56:53.184364Z", "received_at": "2026-11-19T00:56:53.184364Z", "session_id": "s-gone", "status": "archived"}', '2027-02-17 00:56:53.195126+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', '01a224ce-0f82-7f80-8575-75c0b23dca06:295080407289ca327bcdb2648bf25c87367acf2e4f8842c8cb7bb121999e3768', '8b69f7f3b54c0afe:0b348ffdd59561dcd8e381efddc3860f03fdde134cc732e39958ce78e8cf2011', '{"archived": ["5d8a2e76-33ad-541e-bd8e-e088a5701693"], "failed": [], "success_count": 1, "total": 1}', '2027-02-17 00:56:54.096627+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', '55e44497-ae70-5148-99bc-7924b99b324e', '8b69f7f3b54c0afe:27111ac59753ea06e3b439e0b02fdcbbfd339bfbc91a0a18e4dd8744ba146099', '{"policy_id": "55e44497-ae70-5148-99bc-7924b99b324e"}', '2027-02-17 00:56:54.105092+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', '01a224ce-130f-78cd-88c4-3416afe792cb:250b8b2606f51c0b943294ac72483cca3f5d811e03f6a8e045c0a9fe8425f9b3', '8b69f7f3b54c0afe:c0f8cc852bcbd2f7faafd895f40dcd7b659199fc8e54c8e1c7fd3f3a53f27efb', '{"archived": [], "failed": [{"error": "conflict: an archive with this id holds other content", "session_id": "bbda3b1c-03e1-41f5-9b46-48000e9dcb89"}], "success_count": 0, "total": 1}', '2027-02-17 00:56:54.886929+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a224ce-130f-78cd-88c4-3416afe792cb:2afa9acf-e2b3-5431-b345-b6f59f48282d', '8b69f7f3b54c0afe:9c2ef05a2ed2078d7bb74ce3f249ff8fca964a1583ead80f98a571118b71c70c', '{"archive_id": "2afa9acf-e2b3-5431-b345-b6f59f48282d", "archived_at": "2026-11-29T00:56:54.877363Z", "kept_until": "2027-11-19T00:56:54.910892Z", "received_at": "2026-11-19T00:56:54.910892Z", "session_id": "bbda3b1c-03e1-41f5-9b46-48000e9dcb89", "status": "archived"}', '2027-02-17 00:56:54.917695+00');
INSERT INTO vault.archives VALUES ('a-standard', 's-standard', '\x010355b86cba3c9c3f048481ba914ba30b6636c1b5fa3019dc5c9c2f535db1659f821dc0e8dcefffd8649c871fb9ebcd89e5aea2ad8336b0027ab166111c3b306dabeb428058ef457a32aa2126396dab8f8e1881a82b8ba63729a95012f8d9418665db529aba92fefa695ac4cbdddf8019e6ae81b7aa768b34f9cec1c498eaf1896a', '8b69f7f3b54c0afe', '\x649e3ddbe223f5bdaf0a8b3764cee749803ea57f38c94147845580a08eb30f44c8070ea7a1365324293d74cdd212e868dd836043988c6448ed5ea9d1', '2026-06-01 12:30:15.25+00', 400, 400, '2027-12-24 00:56:52.928343+00', NULL, '2026-11-19 00:56:52.928343+00');
INSERT INTO vault.archives VALUES ('a-batch', 's-batch', '\x0103665736bb24bd707ebe7fb1061197699fb8e05c4a42b67662e44279601ddcd6d0eda7c1135700e226ac1106d8c5e64cf9c5d780e58a63de484259576ccf0477e85548b9', '8b69f7f3b54c0afe', '\x0380729f278b92d0eda808d0c66047fd92742be22d3f97166553ec80a0eac24f9b071c63f74b13613293b12a2bf46003c84f3966cebc2a9058be49c4', '2026-06-01 12:30:15.25+00', 365, 365, '2027-11-19 00:56:52.988389+00', NULL, '2026-11-19 00:56:52.988389+00');
INSERT INTO vault.archives VALUES ('a-of-standard', 's-standard', '\x0103535b43256dcc585e613dfc450bc6133bac8fe68a06bf6d81aaf65160fe06e36d5c69bb32eb9ecb615c89deebc22e2259780cc9c1b864d60611bf0389d0b70a6cf1bd66aa910babce677650f765b54f72868ea2', '8b69f7f3b54c0afe', '\x2965a49f6c811e29e62223881a24783b81acc8c0039c305db6145144677524988b07816e49f871fdc05f65e2f04a2bf34827efe683f517be7fe7a5dc', '2026-06-01 12:30:15.25+00', 1, 365, '2027-11-19 00:56:53.019247+00', 'p-standard', '2026-11-19 00:56:53.019247+00');
INSERT INTO vault.archives VALUES ('a-of-hipaa', 's-hipaa', '\x0103bfa7320d122110341505141592d02849b316171573514c9c8c1c989486d9e92fdb90e01d35fd7291105a302d13d9b9ad5d088d3e8faa77e5d760655c624941ab4848b948ef1cadd21d7fd2f3bb49c352', '8b69f7f3b54c0afe', '\xe7baeb47e373730214d9fc2f533a3deba9ba4caec254f92e73fba6e6c6ba31de0870a44d0157fbaf776ce6479bbcee5f9d84ff054fb4e4e68138e66d', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-17 00:56:53.053306+00', 'p-hipaa', '2026-11-19 00:56:53.053306+00');
INSERT INTO vault.archives VALUES ('a-of-gdpr', 's-gdpr', '\x0103dbe8fece3176a77b61b3a5df0f10dfc27bc63f47c1fd65298cb7c35de6365950f13e760559ecb07b4861aee7a3fa58fcb263d820798810f6fe28e3b9804527d523c0188ad87faee2832f3a503446ca', '8b69f7f3b54c0afe', '\xa59d28844480165eb7f5bcb561c69f2e974ed05f4f2fe35b1ea4aac76812522665c26e97829685c9729fcb605fcbbfbd7599aa18de84f21e01d98ff5', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-17 00:56:53.081501+00', 'p-gdpr', '2026-11-19 00:56:53.081501+00');
INSERT INTO vault.archives VALUES ('a-of-pci', 's-pci', '\x0103dcf9f94e1d450b474d33365f38db461bef5f8fa947ad90b0c01c72e62db78eb6a2158effa6d4a4510ca23c30dcf32777ad251b23f4bc96662309dbe67c3bd4a5ffbdc5ec3ddaa355b4f6634cd335', '8b69f7f3b54c0afe', '\x8f17880e5bf5d3bc73d834c03c83fd8ba362f7e9fc120e5110d225670bed4df4ebf992682ed2b9d325ab1ed8363258c1cd1e2e3a7c5edc20d81a9e64', '2026-06-01 12:30:15.25+00', 1095, 1095, '2029-11-18 00:56:53.118361+00', 'p-pci', '2026-11-19 00:56:53.118361+00');
INSERT INTO vault.archives VALUES ('a-of-soc2', 's-soc2', '\x0103a946cbfb766f5dc850c98a98f95dfe73a7f172ad9ae691df89e0912b7ceb823b5e043a006536e93291648f336f225a0fd5126ad8e285bdb4a0384ab6b4ea75bf1571d110eec4ee8a9af4b4512c763f', '8b69f7f3b54c0afe', '\x10fa617ea2afcfb0360ac62c0f499b41ec1dc2d9eadd262cc256dc3ccf4f201e219d17394ee9716947c0b3a328782d24e428d987affea36c9bbf5f47', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-17 00:56:53.144921+00', 'p-soc2', '2026-11-19 00:56:53.144921+00');
INSERT INTO vault.archives VALUES ('5d8a2e76-33ad-541e-bd8e-e088a5701693', 'bbda3b1c-03e1-41f5-9b46-48000e9dcb89', '\x0103eacdeedfbf091c3e4ae9b76cc72c6d143ec64cd18b5d765d50f84efb9f8e36019b9348cf2f79c30e7d62c3908aa78688f5d2628bbefe11ff26afc5792917f9fe0023808f88eb0f7485b1e3d4bd337e081f02e608eabc269bfc174277f35d703de95be6acf4f46e2129bf1d4fd02f0d5a7f5e481fc17bee0b5b4472dd6a2beaca4e662491a43577b6d12d2aee9df6ddfbef36ec9cc7532b4d694b26e6eeeb99840c3f93d0a99208d605448b594a6d261697c1fdc3dcf966747d60cf948356376552cdabca76a1aaa37fd04ed2ad176d0f95bbedbe1dd38ccd764c5c7fdfa493e1d63702c284b17c38a97ff71a82c450a730a3d9546e92fb8419d5ebbc78f2cbea4265a07b2d19c531414756e0dd0716e1d10cf9014edd8632271634ea5de7ad0dd8d14b25ee263bfc9b52d2dac4348ab650552bfde5f14b8f03ddcd6655e52fcc3d69ab0d37a44cfa08ca28a5ba718881b68743386a5bc25c5952401f37044426130039a5b529b7614c119a61db16db41161a7f74d53291cacf5e5bc6502013c417ecfc9f1883b45e0669fb1da4c4e2f42d4e0311524058cdb82639cb83cf79b13cc718e70642eb8e15cc9ac90cfb3e0b79cc3bfa7565b79988f984c355848e58cd2bc46e11f3c9072566f985444b97813591ad716c337f548a351e6920cd0c6a31ab0989629946a284d2e2d25a8daa1c465290d768111be0935aab6a439b00f88e551fe6ca8c45365439fcffc5475318e865e312e84fc20bb426b87e81acef2b8b71ca3a9c94ca5e3abd0999d6fb09fc9d8d538b05f70aca2b1e8e093e144e27b91234f55a2fe0ef7f6dc455a279636e2e243bca9845ca9700370782416b0622e54390c49460bb7fe283b0fc36c2c99b61817d0b6a8f0b38793b2c59709132fa4073740bf0c8c50d384817981419beb5a213dbc01dd2d5ed8fb7d6728d5eeebfde8d7b0ecac9fec6b496722752a324794cba4184b35a39157d7501bb12a5d47dca', '8b69f7f3b54c0afe', '\xa919e64f4304f90dbfcbc053e814b2815c3c644ff4eb716693782d4dd4436778fab8d51e58e26b078b60afff707efaeae48aa26ce1b038f29f43ebef', '2026-11-29 00:56:54.083514+00', 365, 365, '2027-11-19 00:56:54.091458+00', '55e44497-ae70-5148-99bc-7924b99b324e', '2026-11-19 00:56:54.091458+00');
INSERT INTO vault.archives VALUES ('2afa9acf-e2b3-5431-b345-b6f59f48282d', 'bbda3b1c-03e1-41f5-9b46-48000e9dcb89', '\x0103f85a61935633cc1f464f6e4228a2be4e5397f995f003aaa1527b16275592e551ade9587b4997e71be9129d1502dd0fd26c7c06f6b335e6907053d6962c573f779f211c7bc70e800b65c893d1d59dd3e0a2f63adad89c844079c1321fca745bdc27491378a319eedd1b6bb055bc36c80c298c7be6f94b05930dc28cf6a76fae111dbbbb0b250441c27fb24975ea7238d6a41de0624c0caf6c6f9c85f831f5fc39e155039ad101cea3414b6f76fa913813bef355a43e0e226e6e236ea55faf29cdd2f5595c986aaf282db27cc6942d55abe2365ac2e08a0fa4cf50f9a2cfe8601e71ec980d6fdebaa90216bfa75b5cf6ca2d099c0e28d24804edcaa8ca837f056b352a19414f759b4d68fdc78a5a8b8aa51a543e39876c4fe1f7f944cff0be2f6563b2326256de609046c4c81cf594545ad04d6f8b67dd7fc2c05b79a17de0f8d0440b90e228b7748d3d3c987502ffbb67a70a9963a5c83f7843fa96c0dbb85afd17243f146f4cb9c21da2df77a19c838268930a6e92b9080dd55451beb5ca4cc147ae6b94498a275627cecf26728d80aec2f6fe8c4cabbe328ee5933c815b6bad40b495555a19fa56e305a0d6cdd968139d861c0bf2c4f2e58f68dd35f7b119b35b4c406035ef092c2d529fe8cedd9c71f580f2491ebc55b06a76037e40a5e79add3cde30736fafdf1e5d4010fed2797954abe220b756c8e33a4ee516af4ae60296ff3e1817460ac412a242f5cb08e6dce295b8364f4bbded94df968a79c58604ac33589aa134e7ed441569fb6ec24fb84aebd2609ef7ff77d420eb4da84c8ad49a7593303c1fc7f112e7f3f3c8c3e5064380e5118a10903a0e5aea039d8c6452b1f7d4bb74bed39d69c3377eb47ae5bff5186b97b448a361d6258689d2f2a7739decbf4343955e47cd5119f00855769dc51e2d5b734691394795d0d189ec9851f5e779976d62e860336d9f014d1ebb7d563081cca4061e3bc7d71ae56195983a44dd38e8184cf60a40913d978edddad31d27257a0da5c3427e8c8b6c443c66ee799d01ef29a91de5178f9c4fc6d7763f776f2ec868df4aa3ebea280e6eb943e9aa6bcaf762200a5b1f3ead64b555599ffdf2b5cabb221a6fbd11c8b827dfda9c971ecd52cb75d616fb339331256a0544219e', '8b69f7f3b54c0afe', '\x2d707344eebe197039a755867fb5709fb30a9ef54b72e5ce2772684564cfd3f712237b611f3865c91743e9ae6b6e1c833a141b06a66a367180f60b9c', '2026-11-29 00:56:54.877363+00', 365, 365, '2027-11-19 00:56:54.910892+00', '55e44497-ae70-5148-99bc-7924b99b324e', '2026-11-19 00:56:54.910892+00');
INSERT INTO vault.deletions VALUES (1, 'a-deleted', 's-gone', NULL, '2026-06-01 12:30:15.25+00', '2026-11-20 00:56:53.17613+00', '2026-11-29 00:56:56.895469+00', 'request', '2026-11-19 00:56:53.17613+00');
INSERT INTO vault.deletions VALUES (2, 'a-expired', 's-gone', 'p-a-day', '2026-06-01 12:30:15.25+00', '2026-11-20 00:56:53.184364+00', '2026-11-29 00:56:57.771787+00', 'auto_delete', '2026-11-19 00:56:53.184364+00');
INSERT INTO vault.policies VALUES ('p-standard', 365, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"standard","description":"","name":"of standard","policy_id":"p-standard","retention_days":365,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-hipaa', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"hipaa","description":"","name":"of hipaa","policy_id":"p-hipaa","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-gdpr', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"gdpr","description":"","name":"of gdpr","policy_id":"p-gdpr","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-pci', 1095, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"pci","description":"","name":"of pci","policy_id":"p-pci","retention_days":1095,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-soc2', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"soc2","description":"","name":"of soc2","policy_id":"p-soc2","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-a-day', 1, true, '2026-06-01 12:30:15.25+00', '{"auto_delete":true,"compliance_level":"standard","description":"","name":"a day","policy_id":"p-a-day","retention_days":1,"tags":[]}');
INSERT INTO vault.policies VALUES ('55e44497-ae70-5148-99bc-7924b99b324e', 365, false, '2026-11-19 00:56:54.100895+00', '{"auto_delete":false,"compliance_level":"standard","description":"Kept for 365 days (standard).","name":"standard-365","policy_id":"55e44497-ae70-5148-99bc-7924b99b324e","retention_days":365,"tags":["standard"]}');
SELECT pg_catalog.setval('vault.deletions_number_seq', 2, true);
