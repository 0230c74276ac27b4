"""Hold request ids and trace context against their standards."""

import re

import pytest

from chassis import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_good_request_id_is_kept():
    assert tracing.begin({"X-Request-Id": "abc-123"}).request_id == "abc-123"


@pytest.mark.parametrize("forged", ["", "a b", "a\r\nb", "x" * 65, "é", "<b>"])
def test_forged_request_id_is_replaced(forged):
    trace = tracing.begin({"X-Request-Id": forged})

    assert trace.request_id != forged
    assert len(trace.request_id) == 32


def test_valid_trace_is_continued_in_a_span_of_its_own():
    trace = tracing.begin({"traceparent": PARENT})

    assert trace.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert re.fullmatch(
        "00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01", trace.traceparent
    )


@pytest.mark.parametrize("parent", ["", "00-xyz", PARENT.upper(), PARENT + "-extra", "ff" + PARENT])
def test_unusable_trace_is_begun_anew(parent):
    assert tracing.begin({"traceparent": parent}).trace_id != "0af7651916cd43dd8448eb211c80319c"


def test_calls_carry_the_request_and_the_trace():
    trace = tracing.begin({"X-Request-Id": "abc"})

    headers = tracing.outgoing_headers()

    assert headers == {"X-Request-Id": "abc", "traceparent": trace.traceparent}
