import pytest

from vcard import VCard


@pytest.fixture(scope="session")
def running():
    vcard = VCard()
    yield vcard
    vcard.close()


@pytest.fixture
def vcard(running):
    """The card as it was at the start, for one test."""
    running.call("POST", "/v1/reset")
    yield running
    running.faults()
    running.call("PUT", "/v1/link", {})
