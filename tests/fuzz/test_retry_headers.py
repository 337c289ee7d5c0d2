"""Headers that say when to try again, and that a request was made before."""

import re

from hypothesis import example, given
from hypothesis import strategies as st
from memory_graph_workers.clients.call import header_key
from memory_graph_workers.clients.responses import LONGEST_RETRY_AFTER_SECS, request_id_of, retry_after_secs
from support.fuzzing import TEXT, examples
from urllib3 import HTTPHeaderDict, HTTPResponse

DATES = st.from_regex(
    r"(Mon, )?[0-9]{1,5} ?(Jan|Feb|Foo|13) [0-9]{1,6} [0-9]{1,3}:[0-9]{1,3}(:[0-9]{1,9})?( (GMT|[+-][0-9]{1,9}))?"
)
WAITS = (
    TEXT | DATES | st.integers().map(str) | st.floats().map(str) | st.text("0123456789.,:-+eE ²٣ GMTJan", max_size=30)
)


def responded(**headers: str) -> HTTPResponse:
    return HTTPResponse(b"", HTTPHeaderDict({name.replace("_", "-"): value for name, value in headers.items()}), 503)


@given(text=WAITS)
@example(text="²")
@example(text="9" * 400)
@example(text="-1")
@example(text="Sun, 06 Nov 1994 08:49:37 GMT")
@example(text="Fri, 31 Dec 9999 23:59:59 -2359")
@example(text="1 Jan 1 0:0:0 +999999999")
@examples(400)
def test_a_wait_is_none_or_at_most_a_day(text: str) -> None:
    secs = retry_after_secs(responded(Retry_After=text))
    assert secs is None or 0 <= secs <= LONGEST_RETRY_AFTER_SECS


@given(text=TEXT)
@examples(200)
def test_a_request_id_is_none_or_fit_for_a_log(text: str) -> None:
    found = request_id_of(responded(X_Request_ID=text))
    assert found is None or re.fullmatch(r"[\w.:-]{1,128}", found, re.ASCII)


@given(key=TEXT.filter(lambda key: key.encode(errors="ignore").decode() == key))
@examples(200)
def test_any_task_id_makes_a_key_that_a_header_carries(key: str) -> None:
    made = header_key(key)
    assert re.fullmatch(r"[\x21-\x7e]{1,255}", made)
    assert header_key(key) == made == header_key(made)
