"""The tests that a program for the card should pass. Run: pytest"""

import subprocess
import time

import pytest

from till import CardGone, Till, WrongPIN
from vcard import Refused


@pytest.fixture
def till(vcard):
    opened = []

    def tap():
        opened.append(Till(vcard.reader))
        return opened[-1]

    yield tap
    for t in opened:
        t.close()


def test_serial(vcard, till):
    assert till().serial() == "030d45"  # the first sample holder's, always


def test_wrong_pin(vcard, till):
    before = vcard.mark("a wrong PIN")
    with pytest.raises(WrongPIN) as e:
        till().verify("9999")
    assert e.value.left == 2
    assert len(vcard.log(before, presented="true")) == 1  # exactly one VERIFY was sent
    assert vcard.card()["pins"]["auth"]["left"] == 2


def test_last_try_is_kept(vcard, till):
    vcard.call("PATCH", "/v1/card", {"pins": {"auth": {"left": 1}}})
    before = vcard.mark()
    with pytest.raises(WrongPIN):
        till().verify("9999")
    assert vcard.log(before, presented="true") == []


def test_blocked(vcard, till):
    vcard.put(pins={"auth": {"left": 0}})
    with pytest.raises(WrongPIN) as e:
        till().verify("1234")
    assert e.value.left == 0


def openssl(*args, stdin):
    return subprocess.run(["openssl", *args], input=stdin, capture_output=True)


def test_expired(vcard, till):
    vcard.put(kind="expired")
    till().serial()
    assert openssl("x509", "-checkend", "0", stdin=vcard.file("auth.pem")).returncode == 1
    vcard.put()
    assert openssl("x509", "-checkend", "0", stdin=vcard.file("auth.pem")).returncode == 0


def test_revoked(vcard, till, tmp_path):
    vcard.put(kind="revoked")
    till().serial()
    for name in ["authca.pem", "auth.crl"]:
        (tmp_path / name).write_bytes(vcard.file(name))
    verify = ["verify", "-crl_check", "-CAfile", str(tmp_path / "authca.pem"), "-CRLfile", str(tmp_path / "auth.crl")]
    assert b"certificate revoked" in openssl(*verify, stdin=vcard.file("auth.pem")).stderr
    vcard.call("PATCH", "/v1/card", {"revoked": None})
    (tmp_path / "auth.crl").write_bytes(vcard.file("auth.crl"))
    assert openssl(*verify, stdin=vcard.file("auth.pem")).returncode == 0


def test_removed_in_the_middle(vcard, till):
    vcard.faults({"do": "remove_after", "name": "VERIFY", "presented": True})
    t = till()
    before = vcard.mark()
    with pytest.raises(CardGone):
        t.verify("9999")
    assert vcard.applied() == [1]  # a fault that never came is a bug of the test
    assert vcard.card()["pins"]["auth"]["left"] == 2  # the card had seen it
    assert len(vcard.log(before, presented="true")) == 1
    vcard.faults()
    vcard.call("POST", "/v1/card/insert")
    assert till().serial() == "030d45"


def test_slow(vcard, till):
    t = till()
    vcard.call("PUT", "/v1/link", {"delay_ms": 300})
    start = time.monotonic()
    t.serial()
    assert time.monotonic() - start >= 0.3


def test_another_card(vcard, till):
    """Changed, tapped, asserted: under a second and a half."""
    start = time.monotonic()
    card = vcard.put(holder=7)
    assert till().serial() == card["serials"]["auth"]
    took = time.monotonic() - start
    print(f"changed, tapped, asserted in {took:.2f} s")


def test_refused(vcard):
    with pytest.raises(Refused) as e:
        vcard.put(kind="blue")
    assert e.value.code == "unknown_kind"
