import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509CRLEntry;
import java.security.cert.X509Certificate;
import javax.smartcardio.CardException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The tests that a program for the card should pass. */
class TillTest {
    private static VCard vcard;

    @BeforeAll
    static void start() throws Exception {
        vcard = new VCard();
    }

    @AfterAll
    static void stop() throws Exception {
        vcard.close();
    }

    @BeforeEach
    void asAtTheStart() throws Exception {
        vcard.call("POST", "/v1/reset", "");
    }

    private static Till tap() throws CardException {
        return new Till(vcard.reader);
    }

    private static X509Certificate certificate(String name) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(vcard.bytes("GET", "/v1/authority/" + name, "")));
    }

    @Test
    void serial() throws Exception {
        try (Till till = tap()) {
            assertEquals("30d45", till.serial()); // the first sample holder's, always
        }
    }

    @Test
    void wrongPIN() throws Exception {
        long before = vcard.mark();
        try (Till till = tap()) {
            assertEquals(2, assertThrows(Till.WrongPIN.class, () -> till.verify("9999")).left);
        }
        assertEquals(1, vcard.presented(before)); // exactly one VERIFY was sent
        assertEquals(2, vcard.left("auth"));
    }

    @Test
    void blocked() throws Exception {
        vcard.put("{\"pins\":{\"auth\":{\"left\":0}}}");
        long before = vcard.mark();
        try (Till till = tap()) {
            assertEquals(0, assertThrows(Till.WrongPIN.class, () -> till.verify("1234")).left);
        }
        assertEquals(0, vcard.presented(before));
    }

    @Test
    void expired() throws Exception {
        vcard.put("{\"kind\":\"expired\"}");
        assertThrows(CertificateExpiredException.class, () -> certificate("auth.pem").checkValidity());
        vcard.put("{}");
        assertDoesNotThrow(() -> certificate("auth.pem").checkValidity());
    }

    @Test
    void revoked() throws Exception {
        vcard.put("{\"kind\":\"revoked\"}");
        assertNotNull(entry());
        vcard.call("PATCH", "/v1/card", "{\"revoked\":null}");
        assertNull(entry());
    }

    private static X509CRLEntry entry() throws Exception {
        X509CRL list = (X509CRL) CertificateFactory.getInstance("X.509")
                .generateCRL(new ByteArrayInputStream(vcard.bytes("GET", "/v1/authority/auth.crl", "")));
        list.verify(certificate("authca.pem").getPublicKey());
        return list.getRevokedCertificate(certificate("auth.pem"));
    }

    @Test
    void removedInTheMiddle() throws Exception {
        vcard.call("PUT", "/v1/faults", "[{\"do\":\"remove_after\",\"name\":\"VERIFY\",\"presented\":true}]");
        long before = vcard.mark();
        try (Till till = tap()) {
            assertThrows(CardException.class, () -> till.verify("9999"));
        }
        assertTrue(vcard.call("GET", "/v1/faults", "").contains("\"applied\":1"));
        assertEquals(2, vcard.left("auth")); // the card had seen it
        assertEquals(1, vcard.presented(before));
        vcard.call("PUT", "/v1/faults", "[]");
        vcard.call("POST", "/v1/card/insert", "");
        try (Till again = tap()) {
            assertEquals("30d45", again.serial());
        }
    }

    @Test
    void slow() throws Exception {
        try (Till till = tap()) {
            vcard.call("PUT", "/v1/link", "{\"delay_ms\":300}");
            long start = System.nanoTime();
            till.serial();
            assertFalse(System.nanoTime() - start < 300_000_000);
            vcard.call("PUT", "/v1/link", "{}");
        }
    }
}
