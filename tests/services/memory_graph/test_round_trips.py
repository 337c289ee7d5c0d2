"""A conversation is read in one statement, however long it is and whatever else the graph holds."""

from contextlib import closing

import pytest
from memory_graph_workers.schemas import memory_graph_pb2 as pb
from memory_graph_workers.services.database.config import DatabaseUrl
from memory_graph_workers.services.database.storage import Storage
from memory_graph_workers.services.memory_graph import store
from memory_graph_workers.services.memory_graph.calls import MemoryGraph
from memory_graph_workers.services.memory_graph.messages import Refused
from memory_graph_workers.services.memory_graph.records import Base, NodeRecord, SessionRecord
from sqlalchemy import event, select, update


@pytest.fixture
def storage(new_database):
    made = Storage(DatabaseUrl().deserialize(new_database()), Base)
    made.create()
    with closing(made):
        yield made


@pytest.fixture
def statements(storage):
    """The statements that read; SQLite is told by one more that a transaction begins."""
    said = []

    def note(connection, cursor, statement, *others):
        if not statement.startswith("BEGIN"):
            said.append(statement.split()[0])

    event.listen(storage._engine, "before_cursor_execute", note)
    return said


def conversation(storage, prompts):
    session_id = storage.write(lambda tx: store.create_session(tx, {})).id
    for n in range(prompts):
        request = pb.AddPromptRequest(session_id=session_id, content=f"question {n}")
        storage.write(lambda tx, request=request: store.add_prompt(tx, request))
    return session_id


def asked(storage, **query):
    with storage.read() as session:
        return store.query(session, pb.QueryRequest(**query))


@pytest.mark.parametrize("limit", [0, 1, 500])
def test_a_page_and_the_number_of_all_nodes_are_one_statement(storage, statements, limit):
    one, _ = conversation(storage, 5), conversation(storage, 3)
    statements.clear()
    found = asked(storage, session_id=one, limit=limit)
    assert statements == ["SELECT"]
    assert ([node.prompt.content for node in found.nodes], found.total_count) == (
        [f"question {n}" for n in range(5)][: limit or 100],
        5,
    )


@pytest.mark.parametrize(
    ("query", "total"),
    [({}, 8), ({"node_type": pb.NODE_TYPE_RESPONSE}, 0), ({"node_type": pb.NODE_TYPE_PROMPT}, 8), ({"offset": 8}, 8)],
)
def test_the_number_of_nodes_is_that_of_all_pages(storage, query, total):
    conversation(storage, 5)
    conversation(storage, 3)
    assert asked(storage, **query).total_count == total


def test_a_session_without_nodes_is_found_and_one_that_does_not_exist_is_not(storage):
    empty = conversation(storage, 0)
    assert asked(storage, session_id=empty).total_count == 0
    with storage.read() as session:
        assert store.stream_page(session, pb.QueryRequest(session_id=empty), 0, 10, 0) == ([], 0)
        for read in (store.query, lambda *given: store.stream_page(*given, 0, 10, 0)):
            with pytest.raises(Refused, match="no session"):
                read(session, pb.QueryRequest(session_id="nobody"))


@pytest.mark.parametrize(("prompts", "reads"), [(0, 2), (3, 1), (200, 2), (205, 2)])
def test_a_stream_reads_a_page_of_200_in_one_statement(storage, statements, prompts, reads):
    session_id = conversation(storage, prompts)
    statements.clear()
    nodes = list(MemoryGraph(storage)._stream(pb.QueryRequest(session_id=session_id)))
    assert [node.prompt.content for node in nodes] == [f"question {n}" for n in range(prompts)]
    assert statements == ["SELECT"] * reads


def test_a_page_is_read_without_looking_for_records_in_its_statement(storage):
    one, seen = conversation(storage, 3), []
    with storage.read() as session:
        event.listen(session, "do_orm_execute", seen.append)
        assert len(store.query(session, pb.QueryRequest(session_id=one)).nodes) == 3
        assert len(store.stream_page(session, pb.QueryRequest(session_id=one), 0, 10, 0)[0]) == 3
    assert seen == []


def together(storage, *session_ids, **more):
    with storage.read() as session:
        found = store.conversations(session, pb.GetConversationsRequest(session_ids=session_ids, **more))
    contents = {one.session_id: [node.prompt.content for node in one.found.nodes] for one in found.conversations}
    return contents, {one.session_id: one.found.total_count for one in found.conversations}


def test_many_conversations_are_two_statements_and_their_numbers_one(storage, statements):
    one, other, empty = conversation(storage, 3), conversation(storage, 2), conversation(storage, 0)
    statements.clear()
    contents, totals = together(storage, other, one, empty, "nobody")
    assert statements == ["SELECT", "SELECT"]
    assert contents == {session_id: [f"question {n}" for n in range(many)] for session_id, many in totals.items()}
    assert totals == {one: 3, other: 2}
    statements.clear()
    assert together(storage, other, one, empty, "nobody", counts_alone=True) == ({one: [], other: []}, totals)
    assert statements == ["SELECT"]


def test_a_conversation_that_is_too_large_with_the_others_comes_as_a_number(storage, monkeypatch):
    sizes = [2, 30, 3]
    one, large, other = (conversation(storage, size) for size in sizes)
    monkeypatch.setattr(store, "_CONVERSATIONS_BYTES", 3000)
    contents, totals = together(storage, one, large, other)
    assert [len(contents[session_id]) for session_id in (one, large, other)] == [2, 0, 3]
    assert [totals[session_id] for session_id in (one, large, other)] == sizes


@pytest.mark.parametrize("change", [{"message": b"\xff"}, {"node_type": 99}])
def test_a_conversation_with_a_row_that_cannot_be_read_keeps_back_no_other(storage, change):
    broken, fine = conversation(storage, 1), conversation(storage, 1)
    first = select(NodeRecord).join(SessionRecord, SessionRecord.number == NodeRecord.session_number)
    with storage.read() as session:
        number = session.scalars(first.where(SessionRecord.session_id == broken)).one().number
    storage.write(lambda tx: tx.execute(update(NodeRecord).where(NodeRecord.number == number).values(**change)))
    contents, totals = together(storage, broken, fine)
    assert contents == {broken: [], fine: ["question 0"]}
    assert totals == {broken: 1, fine: 1}


@pytest.mark.parametrize("wrong", [["x"] * 1001, [""], ["x" * 257], ["\0"]], ids=["many", "empty", "long", "NUL"])
def test_what_are_no_ids_or_too_many_is_refused(storage, wrong):
    with pytest.raises(Refused):
        together(storage, *wrong)
