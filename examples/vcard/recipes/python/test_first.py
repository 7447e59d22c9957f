"""A first test to start from. Run: pytest"""

from smartcard.System import readers


def test_wrong_pin(vcard):
    vcard.put(holder=7)  # another card
    till = next(r for r in readers() if str(r) == vcard.reader).createConnection()
    till.connect()
    till.transmit(list(bytes.fromhex("00A4040C0AD392F000260100000001")))  # SELECT: JPKI
    till.transmit(list(bytes.fromhex("00200098" + "04" + b"9999".hex())))  # VERIFY: a wrong PIN
    assert vcard.card()["pins"]["auth"]["left"] == 2
