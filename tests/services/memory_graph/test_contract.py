"""Each Memory-Graph operation in the bytes of the wire: field numbers from the contract, no code generated from it."""

import pytest

SERVICE = "/llm.memory.graph.v1.MemoryGraphService/"


def varint(number):
    more = number >> 7
    return bytes([number & 127 | 128]) + varint(more) if more else bytes([number])


def text(number, value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(number, value):
    return varint(number << 3) + varint(value)


def fields(data):
    """A message as {field number: [values]}, read by hand."""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        found.setdefault(tag >> 3, []).append(value)
    return found


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


@pytest.fixture
def call(graph):
    return lambda name, message=b"": fields(graph.unary_unary(SERVICE + name)(message, timeout=10))


@pytest.fixture
def session(call):
    return call("CreateSession", text(1, text(1, "user") + text(2, "é")))[1][0]


@pytest.fixture
def prompt(call, session):
    return call("AddPrompt", text(1, session) + text(2, "Hi 😀"))[1][0]


@pytest.fixture
def response(call, prompt):
    usage = whole(1, 3) + whole(2, 4) + whole(3, 7)
    return call("AddResponse", text(1, prompt) + text(2, "Hello") + text(3, usage))[1][0]


def test_create_session_answers_a_session(call):
    session = call("CreateSession", text(1, text(1, "user") + text(2, "é")))
    assert session[1][0]
    assert fields(session[4][0]) == {1: [b"user"], 2: ["é".encode()]}
    assert session[5] == [1]
    assert session[2] == session[3]


def test_get_session_shows_a_later_update_once_a_node_was_added(call, session, prompt):
    found = call("GetSession", text(1, session))
    assert found[1] == [session]
    created, updated = fields(found[2][0]), fields(found[3][0])
    assert (updated[1], updated.get(2, [0])) > (created[1], created.get(2, [0]))


def test_list_sessions_counts_all(call, session):
    answer = call("ListSessions", whole(1, 1) + whole(2, 0))
    assert len(answer[1]) == 1
    assert answer[2][0] >= 1


def test_add_prompt_answers_the_node(call, session):
    metadata = text(1, "gpt-4") + text(5, text(1, "k") + text(2, "v"))
    node = call("AddPrompt", text(1, session) + text(2, "Hi 😀") + text(3, metadata))
    assert (node[2], node[3], node[5]) == ([session], ["Hi 😀".encode()], [metadata])
    assert node[4]


def test_add_response_answers_the_node(call, prompt):
    usage = whole(1, 3) + whole(2, 4) + whole(3, 7)
    node = call("AddResponse", text(1, prompt) + text(2, "Hello") + text(3, usage))
    assert (node[2], node[3], fields(node[5][0])) == ([prompt], [b"Hello"], {1: [3], 2: [4], 3: [7]})


def test_add_tool_invocation_answers_the_node(call, response):
    asked = text(2, response) + text(3, "search") + text(4, '{"q": 1}') + text(5, "ok") + text(6, "r") + whole(8, 20)
    node = call("AddToolInvocation", text(1, asked))
    assert (node[2], node[3], node[4], node[6], node[8]) == ([response], [b"search"], [b'{"q": 1}'], [b"r"], [20])
    assert node[1][0]
    assert node[10]


def test_query_answers_the_nodes_in_order(call, session, prompt, response):
    answer = call("Query", text(1, session))
    nodes = [fields(node) for node in answer[1]]
    assert [(node[1][0], node[2][0]) for node in nodes] == [(prompt, 2), (response, 3)]
    assert fields(nodes[0][10][0])[3] == ["Hi 😀".encode()]
    assert fields(nodes[1][11][0])[3] == [b"Hello"]
    assert answer[2] == [2]


def test_get_conversations_answers_the_nodes_and_their_number_by_session(call, session, prompt, response):
    other = call("CreateSession")[1][0]
    call("AddPrompt", text(1, other) + text(2, "Ho"))
    asked = text(1, session) + text(1, "nobody") + text(1, other)
    found = {one[1][0]: fields(one[2][0]) for one in map(fields, call("GetConversations", asked)[1])}
    assert [fields(node)[1][0] for node in found[session][1]] == [prompt, response]
    assert (found[session][2], found[other][2]) == ([2], [1])
    counted = {one[1][0]: fields(one[2][0]) for one in map(fields, call("GetConversations", asked + whole(2, 1))[1])}
    assert counted == {session: {2: [2]}, other: {2: [1]}}


def test_stream_query_sends_the_nodes_one_by_one(graph, session, prompt, response):
    nodes = graph.unary_stream(SERVICE + "StreamQuery")(text(1, session), timeout=10)
    assert [fields(node)[1][0] for node in nodes] == [prompt, response]


def test_delete_session_forgets_the_conversation(graph, call, session, prompt):
    assert call("DeleteSession", text(1, session)) == {}
    with pytest.raises(Exception, match="NOT_FOUND"):
        call("GetSession", text(1, session))


def test_health_says_serving(call):
    answer = call("Health")
    assert answer[1] == [1]
    assert answer[2][0]
