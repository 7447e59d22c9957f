import java.math.BigInteger;
import java.util.HexFormat;
import javax.smartcardio.Card;
import javax.smartcardio.CardChannel;
import javax.smartcardio.CardException;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.ResponseAPDU;
import javax.smartcardio.TerminalFactory;

/** What is tested: a till that reads the serial number and checks a PIN. Put your own program in its place. */
final class Till implements AutoCloseable {
    static final class WrongPIN extends Exception {
        final int left;

        WrongPIN(int left) {
            super(left + " tries left");
            this.left = left;
        }
    }

    private final Card card;
    private final CardChannel channel;

    Till(String reader) throws CardException {
        CardTerminal terminal = TerminalFactory.getDefault().terminals().getTerminal(reader);
        if (!terminal.waitForCardPresent(30_000)) {
            throw new CardException("no card in " + reader);
        }
        card = terminal.connect("*");
        channel = card.getBasicChannel();
        send("00A4040C0AD392F000260100000001");
    }

    @Override
    public void close() throws CardException {
        card.disconnect(true);
    }

    private ResponseAPDU exchange(String command) throws CardException {
        try {
            return channel.transmit(new CommandAPDU(HexFormat.of().parseHex(command)));
        } catch (IllegalArgumentException e) {
            throw new CardException("the reply is torn", e);
        }
    }

    private byte[] send(String command) throws CardException {
        ResponseAPDU reply = exchange(command);
        if (reply.getSW() != 0x9000) {
            throw new CardException(Integer.toHexString(reply.getSW()));
        }
        return reply.getData();
    }

    String serial() throws CardException {
        byte[] head = send("00B08A0024");
        return new BigInteger(1, java.util.Arrays.copyOfRange(head, 15, 15 + head[14])).toString(16);
    }

    /** Sends the PIN once, and never when one try or none is left. */
    void verify(String pin) throws CardException, WrongPIN {
        int left = exchange("00200098").getSW() & 0x0F;
        if (left <= 1) {
            throw new WrongPIN(left);
        }
        String hex = HexFormat.of().formatHex(pin.getBytes());
        int status = exchange("00200098" + String.format("%02X", pin.length()) + hex).getSW();
        if (status != 0x9000) {
            throw new WrongPIN(status >> 4 == 0x63C ? status & 0x0F : 0);
        }
    }
}
