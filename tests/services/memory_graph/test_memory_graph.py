"""What a Memory-Graph does beyond the shape of its answers."""

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.schemas.memory_graph_pb2_grpc import MemoryGraphServiceStub
from support.graph_channel import graph_channel


@pytest.fixture
def stub(graph):
    return MemoryGraphServiceStub(graph)


@pytest.fixture
def session(stub):
    return stub.CreateSession(pb.CreateSessionRequest(metadata={"k": "v"}))


@pytest.fixture
def prompts(stub, session):
    return [stub.AddPrompt(pb.AddPromptRequest(session_id=session.id, content=f"p{n}")) for n in range(5)]


def refusal(call, request):
    with pytest.raises(grpc.RpcError) as caught:  # noqa: PT012  a stream fails when it is read
        answer = call(request)
        if isinstance(answer, grpc.Future):
            list(answer)
    return caught.value.code().name


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("GetSession", pb.GetSessionRequest(session_id="none")),
        ("DeleteSession", pb.DeleteSessionRequest(session_id="none")),
        ("AddPrompt", pb.AddPromptRequest(session_id="none", content="x")),
        ("AddResponse", pb.AddResponseRequest(prompt_id="none", content="x")),
        ("Query", pb.QueryRequest(session_id="none")),
        ("StreamQuery", pb.QueryRequest(session_id="none")),
    ],
)
def test_an_unknown_id_is_not_found(stub, operation, request_):
    assert refusal(getattr(stub, operation), request_) == "NOT_FOUND"


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("GetSession", pb.GetSessionRequest()),
        ("AddPrompt", pb.AddPromptRequest(session_id="x" * 257)),
        ("AddResponse", pb.AddResponseRequest(prompt_id="\0")),
        ("AddToolInvocation", pb.AddToolInvocationRequest()),
        ("Query", pb.QueryRequest(limit=-1)),
        ("Query", pb.QueryRequest(offset=-1)),
        ("Query", pb.QueryRequest(node_type=99)),
        ("Query", pb.QueryRequest(filters={"a": "b"})),
        ("Query", pb.QueryRequest(after=Timestamp(seconds=2**62))),
        ("StreamQuery", pb.QueryRequest(limit=-1)),
        ("StreamQuery", pb.QueryRequest(offset=-1)),
        ("ListSessions", pb.ListSessionsRequest(limit=-1)),
    ],
)
def test_a_bad_request_is_an_invalid_argument(stub, operation, request_):
    assert refusal(getattr(stub, operation), request_) == "INVALID_ARGUMENT"


def test_a_response_cannot_answer_a_response(stub, prompts):
    response = stub.AddResponse(pb.AddResponseRequest(prompt_id=prompts[0].id, content="r"))
    assert refusal(stub.AddResponse, pb.AddResponseRequest(prompt_id=response.id, content="r")) == "NOT_FOUND"


def test_a_tool_invocation_keeps_its_own_id_and_comes_once(stub, prompts, new_id):
    response = stub.AddResponse(pb.AddResponseRequest(prompt_id=prompts[0].id))
    node = pb.ToolInvocationNode(id=new_id, response_id=response.id, tool_name="t", parameters="{}")
    request = pb.AddToolInvocationRequest(tool_invocation=node)
    assert stub.AddToolInvocation(request).id == new_id
    assert refusal(stub.AddToolInvocation, request) == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (1764335472000, 0), (253402300800, 0), (-62135596801, 0), (2**63 - 1, 0), (-(2**63), 0),
        (0, -1), (0, 10**9), (0, 2 * 10**9), (1764335472, -(2**31)), (1764335472, 2**31 - 1),
    ],
)  # fmt: skip
def test_a_time_that_no_reader_could_show_is_refused(stub, session, prompts, seconds, nanos):
    response = stub.AddResponse(pb.AddResponseRequest(prompt_id=prompts[0].id))
    stamp = Timestamp(seconds=seconds, nanos=nanos)
    node = pb.ToolInvocationNode(response_id=response.id, tool_name="t", timestamp=stamp)
    assert refusal(stub.AddToolInvocation, pb.AddToolInvocationRequest(tool_invocation=node)) == "INVALID_ARGUMENT"
    assert refusal(stub.Query, pb.QueryRequest(after=stamp)) == "INVALID_ARGUMENT"
    assert stub.Query(pb.QueryRequest(session_id=session.id)).total_count == 6


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(-62135596800, 0), (253402300799, 999_999_999), (0, 1), (1764335472, 5)]
)
def test_a_time_within_the_years_1_to_9999_comes_back_as_it_was(stub, session, prompts, seconds, nanos):
    response = stub.AddResponse(pb.AddResponseRequest(prompt_id=prompts[0].id))
    stamp = Timestamp(seconds=seconds, nanos=nanos)
    node = pb.ToolInvocationNode(response_id=response.id, tool_name="t", timestamp=stamp)
    stub.AddToolInvocation(pb.AddToolInvocationRequest(tool_invocation=node))
    found = stub.Query(pb.QueryRequest(session_id=session.id)).nodes[-1]
    assert found.tool_invocation.timestamp == stamp
    assert MessageToDict(found)["toolInvocation"]["timestamp"]


@pytest.mark.parametrize("parameters", ["{", "NaN", '{"a": -Infinity}', "[" * 200_000, "nonsense"])
def test_parameters_that_are_no_json_are_refused(stub, prompts, parameters):
    response = stub.AddResponse(pb.AddResponseRequest(prompt_id=prompts[0].id))
    node = pb.ToolInvocationNode(response_id=response.id, tool_name="t", parameters=parameters)
    assert refusal(stub.AddToolInvocation, pb.AddToolInvocationRequest(tool_invocation=node)) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("less", [100, 1000, 4000])
def test_a_node_that_no_response_could_carry_is_refused(stub, session, less):
    request = pb.AddPromptRequest(session_id=session.id, content="x" * (64 * 2**20 - less))
    assert refusal(stub.AddPrompt, request) == "INVALID_ARGUMENT"
    assert stub.Query(pb.QueryRequest(session_id=session.id)).total_count == 0


def test_pages_of_a_query_meet_without_gap_or_overlap(stub, session, prompts):
    pages = [stub.Query(pb.QueryRequest(session_id=session.id, limit=2, offset=at)) for at in (0, 2, 4, 6)]
    assert [[node.prompt.content for node in page.nodes] for page in pages] == [["p0", "p1"], ["p2", "p3"], ["p4"], []]
    assert {page.total_count for page in pages} == {5}


def test_a_query_chooses_by_time_and_kind(stub, session, prompts):
    third = stub.Query(pb.QueryRequest(session_id=session.id, limit=1, offset=2)).nodes[0].created_at

    def contents(**asked):
        nodes = stub.Query(pb.QueryRequest(session_id=session.id, **asked)).nodes
        return [node.prompt.content for node in nodes]

    assert contents(after=third) == ["p3", "p4"]
    assert contents(before=third) == ["p0", "p1"]
    assert contents(node_type=pb.NODE_TYPE_RESPONSE) == []
    assert len(contents(node_type=pb.NODE_TYPE_UNSPECIFIED)) == 5


def test_a_query_answers_100_nodes_where_no_limit_is_given_and_a_stream_all(stub, session):
    for number in range(220):
        stub.AddPrompt(pb.AddPromptRequest(session_id=session.id, content=str(number)))
    page = stub.Query(pb.QueryRequest(session_id=session.id))
    assert (len(page.nodes), page.total_count) == (100, 220)
    streamed = stub.StreamQuery(pb.QueryRequest(session_id=session.id, offset=5))
    assert [node.prompt.content for node in streamed] == [str(number) for number in range(5, 220)]
    assert len(list(stub.StreamQuery(pb.QueryRequest(session_id=session.id, limit=201)))) == 201


def test_every_added_node_moves_the_session_on(stub, session, prompts):
    before = stub.GetSession(pb.GetSessionRequest(session_id=session.id)).updated_at
    stub.AddResponse(pb.AddResponseRequest(prompt_id=prompts[0].id, content="r"))
    after = stub.GetSession(pb.GetSessionRequest(session_id=session.id)).updated_at
    assert after.ToNanoseconds() > before.ToNanoseconds()


def test_a_deleted_session_takes_its_nodes_along(stub, session, prompts):
    stub.DeleteSession(pb.DeleteSessionRequest(session_id=session.id))
    assert refusal(stub.AddResponse, pb.AddResponseRequest(prompt_id=prompts[0].id)) == "NOT_FOUND"


def test_a_message_may_have_many_megabytes(start):
    service = start("memory-graph")
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with graph_channel(service.port, options=limits) as channel:
        stub = MemoryGraphServiceStub(channel)
        session = stub.CreateSession(pb.CreateSessionRequest())
        stub.AddPrompt(pb.AddPromptRequest(session_id=session.id, content="x" * 20_000_000))
        node = stub.Query(pb.QueryRequest(session_id=session.id)).nodes[0]
    assert len(node.prompt.content) == 20_000_000
