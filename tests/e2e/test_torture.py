"""The quick forms of tests/faults: some of the calls, not each, and not for long.
"""

import os
import sys

import pytest

from objectstore import ObjectStore
from service import sanitized

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "faults"))

import soak  # noqa: E402
import torture  # noqa: E402
import torture_sensu  # noqa: E402

# A sanitizer's own memory cannot fail, so fewer calls can; each takes longer.
STEP = 2 if sanitized() else 3


@pytest.mark.skipif(not os.path.exists(torture.NTH), reason="needs nth.so")
def test_a_call_that_fails_costs_one_request_at_most(
        grafana, service, capsys):
    t = torture.Torture(grafana, service)
    t.run(STEP, ["new"])
    t.run(STEP * 5, ["again", "named", "put"])
    with capsys.disabled():
        print(" %d faults" % t.faults, end="")
    service.stop()
    assert t.faults > 20


@pytest.mark.skipif(not os.path.exists(torture.NTH), reason="needs nth.so")
def test_a_call_that_fails_costs_one_object_at_most(grafana, service):
    with ObjectStore() as store:
        t = torture.Torture(grafana, service,
                            torture.Bucket(store, service.dir))
        t.run(STEP * 15, ["new", "put"])
        service.stop()
    assert t.faults > 20


@pytest.mark.skipif(not os.path.exists(torture.NTH), reason="needs nth.so")
def test_a_call_that_fails_costs_no_event(tmp_path):
    t = torture_sensu.SensuTorture(str(tmp_path))
    assert t.run(1 if sanitized() else 67) > 20


@pytest.mark.skipif(not os.path.exists(torture.NTH), reason="needs nth.so")
def test_while_calls_fail_at_random_it_holds_no_more_and_more(
        grafana, service):
    s = soak.Soak(grafana, service)
    s.run(5)
    s.recover()
    s.judge()
    service.stop()
    assert s.faults > 20
