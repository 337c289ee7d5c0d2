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
    received_at timestamp with time zone NOT NULL
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
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', 'sample-archive-key', '8b69f7f3b54c0afe:5124cf8982f261671083c20d672c298c4d4989e09411e540a725a5e43630598e', '{"archive_id": "a-standard", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2027-12-23T21:13:05.703958Z", "received_at": "2026-11-18T21:13:05.703958Z", "session_id": "s-standard", "status": "archived"}', '2027-02-16 21:13:05.749815+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', 'sample-batch-key:d364dbede1853470efb2cc18933931d50a9981d239576af8657bf6e04b141b25', '8b69f7f3b54c0afe:282f48d3b16accfc9ae01415bdfcfe8a83039c199dd76bb1146d3570face59ff', '{"archived": ["a-batch"], "failed": [], "success_count": 1, "total": 1}', '2027-02-16 21:13:05.840794+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-standard', '8b69f7f3b54c0afe:9fcf6a8209fd2e55bfcfc2d079a449d5bc3f29129100eef80ecfbd4cb8923a4a', '{"policy_id": "p-standard"}', '2027-02-16 21:13:05.950487+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2aae-7879-9003-c6818daff2ba', '8b69f7f3b54c0afe:88c5f5a9404688f53817205f1cc1132c67af99a3387a325491f3c0fe08f6ec74', '{"archive_id": "a-of-standard", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-19T21:13:05.974819Z", "received_at": "2026-11-18T21:13:05.974819Z", "session_id": "s-standard", "status": "archived"}', '2027-02-16 21:13:06.007422+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-hipaa', '8b69f7f3b54c0afe:0252c2fdabdc0912315161e8cdb66a1bcc1a5e2d9069a85c273e81a792d4018b', '{"policy_id": "p-hipaa"}', '2027-02-16 21:13:06.164554+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2b86-7a6f-b2af-6101e9e1c729', '8b69f7f3b54c0afe:825ebaf0fc8ddc327ea866e055865b17fa7cc56224d72c2b9773f4a8a8f037eb', '{"archive_id": "a-of-hipaa", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-16T21:13:06.188460Z", "received_at": "2026-11-18T21:13:06.188460Z", "session_id": "s-hipaa", "status": "archived"}', '2027-02-16 21:13:06.257484+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-gdpr', '8b69f7f3b54c0afe:45357281938c0ef1ebe4ab63fb45eb102b7ce23584f78c484d36541c7856d048', '{"policy_id": "p-gdpr"}', '2027-02-16 21:13:06.345907+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2c32-72ec-a669-3260942054e7', '8b69f7f3b54c0afe:d5fa0ad32a410bf6f5b260b11f32e1ca620ae00b1eec07bc51168b887cee9383', '{"archive_id": "a-of-gdpr", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-16T21:13:06.356691Z", "received_at": "2026-11-18T21:13:06.356691Z", "session_id": "s-gdpr", "status": "archived"}', '2027-02-16 21:13:06.398555+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-pci', '8b69f7f3b54c0afe:46753ecdb752db04ccab634068bc564adcfec7660c8a707929bcb81f1bc5e4d6', '{"policy_id": "p-pci"}', '2027-02-16 21:13:06.489846+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2ccb-71a9-918d-4ea3b695d0a0', '8b69f7f3b54c0afe:24a907863442dfa9b97a2ad73433adcc7cf37732fb084666f9d2685a4d242feb', '{"archive_id": "a-of-pci", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2029-11-17T21:13:06.512802Z", "received_at": "2026-11-18T21:13:06.512802Z", "session_id": "s-pci", "status": "archived"}', '2027-02-16 21:13:06.558302+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-soc2', '8b69f7f3b54c0afe:0cad2ddd782ede0ad5846e084b5134b689fa77f25b30d5d671559045b332ee71', '{"policy_id": "p-soc2"}', '2027-02-16 21:13:06.615136+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2d40-737c-8a89-a9edbb6b094e', '8b69f7f3b54c0afe:7162443f58f868165cd4ef3d3b60cea293e33137bbdf36aa2a739a6a3652ba51', '{"archive_id": "a-of-soc2", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-16T21:13:06.626185Z", "received_at": "2026-11-18T21:13:06.626185Z", "session_id": "s-soc2", "status": "archived"}', '2027-02-16 21:13:06.635017+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', '01a22401-2d71-7464-a6a9-d887e75c8f85', '8b69f7f3b54c0afe:95b676d172ccd89500935240db4f51a8a8f49443009247410dcb96a79e03d055', '{"policy_id": "p-a-day"}', '2027-02-16 21:13:06.692428+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2d89-782e-8103-f2c0fe2076b5', '8b69f7f3b54c0afe:a7a7cd71477cf53e20e42eadd27f0b8e84261ccdffd8c07c9a26c8cd2d4c9b7c', '{"archive_id": "a-deleted", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-19T21:13:06.700135Z", "received_at": "2026-11-18T21:13:06.700135Z", "session_id": "s-gone", "status": "archived"}', '2027-02-16 21:13:06.722793+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-2daf-7e14-ab63-50bd833b0594', '8b69f7f3b54c0afe:e81a132a881f546687ebfa9af90181a64221b9f6ac60b073cf4e05500a557634', '{"archive_id": "a-expired", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-19T21:13:06.738827Z", "received_at": "2026-11-18T21:13:06.738827Z", "session_id": "s-gone", "status": "archived"}', '2027-02-16 21:13:06.749293+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', '01a22401-3828-790c-bfd5-bc00de550723:4bc6c53155943d65537490fe09a7a86a3c3e7018d01575c8b16123f21c854c7a', '8b69f7f3b54c0afe:f86692656f2f3e286330f908c06bebc9a602510b79897518ffa26b7065b25cc0', '{"archived": ["1e5bede2-22c8-5cbc-862f-f33fb4100799"], "failed": [], "success_count": 1, "total": 1}', '2027-02-16 21:13:09.958947+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', '55e44497-ae70-5148-99bc-7924b99b324e', '8b69f7f3b54c0afe:27111ac59753ea06e3b439e0b02fdcbbfd339bfbc91a0a18e4dd8744ba146099', '{"policy_id": "55e44497-ae70-5148-99bc-7924b99b324e"}', '2027-02-16 21:13:09.990447+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', '01a22401-454b-7168-abef-a932b838d11c:092daa314991a5dd5fbeea95d6daf6bdbeed7660125103feb062100d971a135a', '8b69f7f3b54c0afe:0dbca50220c98ee694706aa4a5018699c83c51c74fcd72cdcd1b35b1d9b2fc11', '{"archived": [], "failed": [{"error": "conflict: an archive with this id holds other content", "session_id": "c36c76d5-401f-469e-bcfe-e7688977b77f"}], "success_count": 0, "total": 1}', '2027-02-16 21:13:12.918433+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a22401-454b-7168-abef-a932b838d11c:9db045e5-e859-59f2-a011-1e31c90774be', '8b69f7f3b54c0afe:778e9f0b114baf87437a9080c42840bb4c504f0eef686e62592c43ed12195149', '{"archive_id": "9db045e5-e859-59f2-a011-1e31c90774be", "archived_at": "2026-11-28T21:13:12.897947Z", "kept_until": "2027-11-18T21:13:12.954444Z", "received_at": "2026-11-18T21:13:12.954444Z", "session_id": "c36c76d5-401f-469e-bcfe-e7688977b77f", "status": "archived"}', '2027-02-16 21:13:12.979087+00');
INSERT INTO vault.archives VALUES ('a-standard', 's-standard', '\x0103133a5e6905c4cfdb7c3ea20bedaf15aab92ac0369a0a92e02e2c6a55591771e2368157c4ac6691f17f8932742eb4d46a010aa385c5e6f52ecbe42a0ad92ceab35cc3b1294876492a4df97d4ebfbdc967f330a3f67639c39c61fcfa14bb3c4bd5d92124e7f1c6fbd5d9967174876a74c024d9cc00b87cad47b7ece8de7968a6e9', '8b69f7f3b54c0afe', '\xb28c0cfaf16e4fece8849713f7a1b9ba0ba737aa8b1604e3b61f5cb254590fc85c3a6937389e8a41bf87e7835dcd7ab7b15b25307d69497b38f4ce26', '2026-06-01 12:30:15.25+00', 400, 400, '2027-12-23 21:13:05.703958+00', NULL, '2026-11-18 21:13:05.703958+00');
INSERT INTO vault.archives VALUES ('a-batch', 's-batch', '\x0103fb850fa3210bfd8e2a9269b531e0acfab08870408b93dc10b81ae3f63dcfb82167423eda96745d1f20782e2ed41c8e618424d2c58e7934ea3f80c6059655cc63485a49', '8b69f7f3b54c0afe', '\x063daf298e48de9bbd2b09e3dc640602ed1a2433ecb292ffbdb0918f2d76acd37c184ad9171fad736b39dbcebfa49fe2ad8ba8385d6d673b0971fa9b', '2026-06-01 12:30:15.25+00', 365, 365, '2027-11-18 21:13:05.783606+00', NULL, '2026-11-18 21:13:05.783606+00');
INSERT INTO vault.archives VALUES ('a-of-standard', 's-standard', '\x01038de8ccb6ce861165aa0ae7d76c85627aef29e3d1a07b78583457ad6cab32b7459fd956962fdd545299aeb0c96a69545a7ee1f4a09d8dc2ee07bf92a1ee216e3fa8615e915ce42995efd8369a6d3a1fdb129aa3', '8b69f7f3b54c0afe', '\x35ec87fa222a49e48fbc4213b8661f1fca43ad06fd351a14adfbd6b312c7dc50cd84ae437d941b16939f134e09d7cc9aa1771ade6232bcf2880b351d', '2026-06-01 12:30:15.25+00', 1, 365, '2027-11-18 21:13:05.974819+00', 'p-standard', '2026-11-18 21:13:05.974819+00');
INSERT INTO vault.archives VALUES ('a-of-hipaa', 's-hipaa', '\x01033fc4fb34f9151d90c79b393400f3fb8e84f88f04b87f37e0eb14a13ec9a6b5f89594d9a2756a4db616d723b00b5476cc7a3e172ca6e7cb271d6cfd2825842e158decd1781e4dbbee18d743471e415e28', '8b69f7f3b54c0afe', '\x6b0b91a89ff1071263b91e7fc2931d0f3f8115bed4db41f5d202fee6c8bc979bb9a99f46430c135f6ddc1d10995e44c2a51e72169ab3fd5458df25d7', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-16 21:13:06.18846+00', 'p-hipaa', '2026-11-18 21:13:06.18846+00');
INSERT INTO vault.archives VALUES ('a-of-gdpr', 's-gdpr', '\x0103222f486d9b2956d1cfecef42650cbc3f6dff0e34f8cc43e7e62854684109e039f08a4b7f35216363c05c6471510b43f7c2103fefdaaa777eca25d394bda26223203be98164562f5999f8ee4a63ba84', '8b69f7f3b54c0afe', '\x5aa4b73650f961c8659741d7ae250ea35c60a90c44da99bee9db9fa3c37bbcd7ff3cfc320817a7085311e4fe332d03f088b1a498048e70f83d896c5c', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-16 21:13:06.356691+00', 'p-gdpr', '2026-11-18 21:13:06.356691+00');
INSERT INTO vault.archives VALUES ('a-of-pci', 's-pci', '\x010337640cb368b924b34bd5009c9e1a0c905076eaeb9db9af6a78a1b1996fbe43a3986ca3772931233bd1465ffd6ae7946ca6b412179ef6335ce0d9572816eb8f00f51894689d6d1ba338881e578162', '8b69f7f3b54c0afe', '\x37f2749b3b50e57651037c518b99f4cd11f4fd658910bc5efe818656d7a5e48c192d69dc98473b5da0dbc257a827c7969d708abad1014871cb265155', '2026-06-01 12:30:15.25+00', 1095, 1095, '2029-11-17 21:13:06.512802+00', 'p-pci', '2026-11-18 21:13:06.512802+00');
INSERT INTO vault.archives VALUES ('a-of-soc2', 's-soc2', '\x0103168f6caa1c3955860a3977ef0d0a36628ad68febac2a46945921d2119382b94652592e04bcf69f4a190143f4bab82edc6a01737b97d80afa2cf52158baa7ba91ed4fc2342672bd80dd61843e716e46', '8b69f7f3b54c0afe', '\x9b0eb3e56ab893ebbe6a41cfe10fc4b891d9ea844d081e5987f5c7a6f7f86c99257f9a55b8a4bd4fed271a060ad2a31fbbde1b62277bda51544a0b1a', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-16 21:13:06.626185+00', 'p-soc2', '2026-11-18 21:13:06.626185+00');
INSERT INTO vault.archives VALUES ('1e5bede2-22c8-5cbc-862f-f33fb4100799', 'c36c76d5-401f-469e-bcfe-e7688977b77f', '\x0103afa77eb93e96bf230635f57339ca0f60e83b69a6d26269945f51d5451d0f975c5dfa16ffa20e0bc1af042716d5fc92bcb901d696ec7103e0048d58aefd6546c1dda7a311ee585594e89e1ef766f7f21c5dfe08245c355db1e1a0ac177ae3d2385b3d24611b4ea6abeb96fa23970679ad4893f99aa9fcdb3cc308fcedfc7c2e56d266075b1bf29eb8e7996d38233fce6e24756ed8c19514a78baed4c8d28c78c445d3486b9f691ca96983e878dc142d4ea79b5cf5174d23ffaabe0088e0882a09e0a1d730cbbf943861b38e4dab61948ee2f06315e15d93e0871b519ce17a93ee503075e42057bbe3d11b9fcf090596aa2fa7d441004506e512b88606c9b1c67655b8371d956ec716e530140808a9157017be8b7cf081c50a0f82d0eb915df59662e7f54e6d38f92e8e7febbb5b441012fd09ae74bf717c901d6952d0e1ba2bbcca0912572c5979b0d3b198e711e9b508827cb33b8e10487bbe9350fa7ae6d18a0c6d5006044fd1cb76fa0649576f6720fbd9aa8f510048f826532f8a41aece244a3bddc9dbe051231a7f0a462865daae007fc5420ed614458df53d9bced207e4f74bc371a1469fcfba3eff9681ff947a7cca52a0e414093d4e1d2d10f09fb5c01b3f9f564490b46b4f34f6542980e61184e8e3724a9ba2351cbbd30e38cc5da5256e78f27bf2a47bcf876f34ebc40f2b96598fbb647f4c002e11fd79b81c50596735c3bcd9404637021b51d175040f1d3317d8452710be57ace725a7d3b818fca7f0fe3e009abe65e59504b87d88d45fde2df2550702db203773bbb5a707846500e6ca76bc38f60a6f25d942864df83136f95bfa924e5b75326dc2ba28d84792c5f3131a2055853776b5009a68d903dd3c8e3daee850f08d6eae04520c92b1e6993739667ac916f70202a7fe2d49423f2c783d852292d0a6b23fb1d71c58094613fd39657dfdcb38499b755307707ab2a377c55986a63cc91952708915aa57ab975a0233ce', '8b69f7f3b54c0afe', '\x47f50089cb9929a09e4a7e828859ffd7b7b3fbd712217234e402761ad02aaa5f2b11f6dbea0f929daa4441440bbe70b03aa293bb70dc941de9b4bf15', '2026-11-28 21:13:09.938019+00', 365, 365, '2027-11-18 21:13:09.951366+00', '55e44497-ae70-5148-99bc-7924b99b324e', '2026-11-18 21:13:09.951366+00');
INSERT INTO vault.archives VALUES ('9db045e5-e859-59f2-a011-1e31c90774be', 'c36c76d5-401f-469e-bcfe-e7688977b77f', '\x010385728d3dfdf6cbd3be66a1bb9a9ce2e7658f766bcfbb5dcaf6007bcd12f2c1ee554e8cf067e0f4b87c77303cada4f91c2e402209225668284b82a5b101d65c69311391476a5a219a1ed25776b058a0cc4041fcd9b4371a8169533e15ed76ddcc310431d2f5b107e7a4f1e85bc7c0cc4ee713dbe5fc29d948ebb82df0807aa068f5c30f9c88135d1ec446592ee72aee8ac1f14064f3bc678a7be615ccf73db51f191e48cddf60eaf90a2fe8e38022a161d0b44c1657331280535e71c42236d04a9e6f760ef3c4b7995f9a6d2a67ae8a75407aeef4c614318338ad37954a3617f1562a627f053d29457fca6da75860b29293b926791afaca11dadfb67f58c984f947aa2fca39f5677fe254442147cdd8b984f03d23f2af79033d53b58b796eff903c41e455d956fb7824b1c647b45ee6cda86b213ab04d4bc85a59f45c6940712714f48a528b965347b5abbf39e0c39c06a2f4c65afd637601a75fab8c0613129acf019905cfa4617191a4c9f9f16758a6f4f942589fe543536783fdbcb410342eb9335f37d4476c66c04eef5450dfb0ca6c989f99bbd9d04b3693d78700bb17a5b300aea892d76ad83c70e0c7d1155e91cdb28755a3fd08a95698b8a9a9577d8695ef4aeee2303201729f7885691734537bf9392e8c7449ea592314fbe4a69b21dea07e009bd89a3ab99da78b646388f75d5b80a4cf7ee586a03dbe98a3c3285498120dd8211a9b0166883fc87c719e6653cdf3e71dcd440935cd40d892c13ab9f7a210ea356a74d6d7b0e1de0f3be57bf465bb8f74ea8cdf10c53a95d5e5c07f6f3d5fef708ae8c7e29682c046061805d842f7bdd7b0f3d99f8d762024e31f924345a35c3142c7fb3b6a570392ee68e22ee43e49cb071baa794e45e94efdda88d9b35c3d7619633043447e278d4bc5abd781e5e2f75b8bf344debe6f79c55a8dd77d607740729dda7914eff584cec399b30fff029284db04ad0fca2f2ba4d2159eef0514e8a31b59bc97041cfc15635c0062c12a20c67226ed66db21edab14eb410aad9c98f89f0606ac0e8fe2ef0690b6128175850cf82d406ffb6c7ecd5db57e0681c00d47b88c806dc165e80e50f8d0f789724d0e0f99da78f0d18480ee0133bb77a4c13b5146e9a07eae6623eef9731834447c43dd', '8b69f7f3b54c0afe', '\x81797e4bcea0adfa99292e548d7cb1f1864dd7ea937ff49f3e059c935594c35ab61c643492479b26b49e517ff3dcabcf98e5d68a55402102941c0117', '2026-11-28 21:13:12.897947+00', 365, 365, '2027-11-18 21:13:12.954444+00', '55e44497-ae70-5148-99bc-7924b99b324e', '2026-11-18 21:13:12.954444+00');
INSERT INTO vault.deletions VALUES (1, 'a-deleted', 's-gone', NULL, '2026-06-01 12:30:15.25+00', '2026-11-19 21:13:06.700135+00', '2026-11-28 21:13:19.818664+00', 'request', '2026-11-18 21:13:06.700135+00');
INSERT INTO vault.deletions VALUES (2, 'a-expired', 's-gone', 'p-a-day', '2026-06-01 12:30:15.25+00', '2026-11-19 21:13:06.738827+00', '2026-11-28 21:13:23.27565+00', 'auto_delete', '2026-11-18 21:13:06.738827+00');
INSERT INTO vault.policies VALUES ('p-standard', 365, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"standard","description":"","name":"of standard","policy_id":"p-standard","retention_days":365,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-hipaa', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"hipaa","description":"","name":"of hipaa","policy_id":"p-hipaa","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-gdpr', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"gdpr","description":"","name":"of gdpr","policy_id":"p-gdpr","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-pci', 1095, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"pci","description":"","name":"of pci","policy_id":"p-pci","retention_days":1095,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-soc2', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"soc2","description":"","name":"of soc2","policy_id":"p-soc2","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-a-day', 1, true, '2026-06-01 12:30:15.25+00', '{"auto_delete":true,"compliance_level":"standard","description":"","name":"a day","policy_id":"p-a-day","retention_days":1,"tags":[]}');
INSERT INTO vault.policies VALUES ('55e44497-ae70-5148-99bc-7924b99b324e', 365, false, '2026-11-18 21:13:09.971264+00', '{"auto_delete":false,"compliance_level":"standard","description":"Kept for 365 days (standard).","name":"standard-365","policy_id":"55e44497-ae70-5148-99bc-7924b99b324e","retention_days":365,"tags":["standard"]}');
SELECT pg_catalog.setval('vault.deletions_number_seq', 2, true);
