"""What is tested: a till that reads the serial number and checks a PIN.

Put your own program in its place.
"""

from smartcard.CardRequest import CardRequest
from smartcard.Exceptions import CardConnectionException, NoCardException

JPKI = "00A4040C0AD392F000260100000001"


class CardGone(Exception):
    pass


class WrongPIN(Exception):
    def __init__(self, left):
        super().__init__(f"{left} tries left")
        self.left = left


class Till:
    def __init__(self, reader):
        self.connection = CardRequest(timeout=30, readers=[r for r in readers() if str(r) == reader]).waitforcard().connection
        self.connection.connect()
        self.send(JPKI)

    def close(self):
        self.connection.disconnect()

    def exchange(self, command):
        try:
            data, sw1, sw2 = self.connection.transmit(list(bytes.fromhex(command)))
        except (CardConnectionException, NoCardException, IndexError) as e:
            raise CardGone from e
        return bytes(data), sw1 << 8 | sw2

    def send(self, command):
        data, status = self.exchange(command)
        assert status == 0x9000, f"{status:04X}"
        return data

    def serial(self):
        head = self.send("00B08A0024")
        return head[15:15 + head[14]].hex()

    def verify(self, pin):
        """Sends the PIN once, and never when one try or none is left."""
        _, status = self.exchange("00200098")
        left = status & 0x0F
        if left <= 1:
            raise WrongPIN(left)
        _, status = self.exchange("00200098" + f"{len(pin):02X}" + pin.encode().hex())
        if status != 0x9000:
            raise WrongPIN(status & 0x0F if status >> 4 == 0x63C else 0)


def readers():
    from smartcard.System import readers as all_readers
    return all_readers()
