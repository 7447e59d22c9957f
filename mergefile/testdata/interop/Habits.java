// Writes merge files as Java programs make them, one for each habit, into the
// directory that is named first. Key and secret follow.
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.Locale;
import java.util.function.Function;
import javax.crypto.Cipher;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

public class Habits {
    record Row(String holder, int points, String time, int sequence) {
        String number() {
            return time + String.format("%06d", sequence);
        }

        String plain() {
            return holder + points + number();
        }
    }

    static final Row[] ROWS = {
        new Row("520625", 100, "20170512093000", 1), new Row("180000000011", 5100, "20170512093001", 2), new Row("1111111", 30, "20170512235959", 3),
    };
    static Path dir;
    static byte[] key;
    static String secret;

    static byte[] digest(String name, byte[] data) throws Exception {
        return MessageDigest.getInstance(name).digest(data);
    }

    static String hex(byte[] b) {
        StringBuilder s = new StringBuilder();
        for (byte x : b) {
            s.append(String.format("%02x", x));
        }
        return s.toString();
    }

    static String md5(String text, Charset charset) {
        try {
            return hex(digest("MD5", (text + secret).getBytes(charset)));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    static String md5(String text) {
        return md5(text, StandardCharsets.US_ASCII);
    }

    static byte[] text(Function<Row, String> line) {
        StringBuilder s = new StringBuilder();
        for (Row r : ROWS) {
            s.append(line.apply(r)).append("\r\n");
        }
        return s.toString().getBytes(StandardCharsets.US_ASCII);
    }

    static String usual(Row r) {
        return String.join(",", r.holder, "" + r.points, r.number(), md5(r.plain()));
    }

    static byte[] cipher(String name, byte[] aes, byte[] iv, byte[] data) throws Exception {
        Cipher c = Cipher.getInstance(name);
        c.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(Arrays.copyOf(aes, 16), "AES"), new IvParameterSpec(iv));
        return c.doFinal(data);
    }

    static byte[] random(int n) {
        byte[] b = new byte[n];
        new SecureRandom().nextBytes(b);
        return b;
    }

    static byte[] join(byte[] a, byte[] b) {
        return ByteBuffer.allocate(a.length + b.length).put(a).put(b).array();
    }

    static final String CBC = "AES/CBC/PKCS5Padding";

    static byte[] sealed(byte[] aes, byte[] data) throws Exception {
        byte[] iv = random(16);
        return join(iv, cipher(CBC, aes, iv, data));
    }

    static byte[] sealed(Function<Row, String> line) throws Exception {
        return sealed(key, text(line));
    }

    static byte[] pbkdf2(String name) throws Exception {
        return SecretKeyFactory.getInstance(name)
            .generateSecret(new PBEKeySpec(new String(key, StandardCharsets.US_ASCII).toCharArray(), "pepper".getBytes(StandardCharsets.US_ASCII), 1000, 128)).getEncoded();
    }

    static void write(String name, byte[] data) throws Exception {
        Files.write(dir.resolve(name), data);
    }

    public static void main(String[] a) throws Exception {
        dir = Path.of(a[0]);
        key = a[1].getBytes(StandardCharsets.US_ASCII);
        secret = a[2];

        write("hash-bigint.habit", sealed(r -> String.join(",", r.holder, "" + r.points, r.number(), new BigInteger(md5(r.plain()), 16).toString(16))));
        write("hash-utf16be.habit", sealed(r -> String.join(",", r.holder, "" + r.points, r.number(), md5(r.plain(), StandardCharsets.UTF_16BE))));
        write("points-commas.habit", sealed(r -> String.join(",", '"' + r.holder + '"', '"' + String.format(Locale.ROOT, "%,d", r.points) + '"', '"' + r.number() + '"', '"' + md5(r.plain()) + '"')));
        write("points-spaces.habit", sealed(r -> String.join(",", r.holder, String.format("%9d", r.points), r.number(), md5(r.plain()))));
        write("two-digit-years.habit", sealed(r -> String.join(",", r.holder, "" + r.points, r.number().substring(2), md5(r.holder + r.points + r.number().substring(2)))));
        write("three-columns.habit", sealed(r -> String.join(",", r.holder, "" + r.points, r.time.substring(0, 8), r.time.substring(8), String.format("%06d", r.sequence), md5(r.plain()))));

        write("mime.habit", Base64.getMimeEncoder().encode(sealed(Habits::usual)));
        write("key-sha1.habit", sealed(digest("SHA-1", key), text(Habits::usual)));
        write("pbkdf2-sha1.habit", sealed(pbkdf2("PBKDF2WithHmacSHA1"), text(Habits::usual)));
        write("pbkdf2-sha512.habit", sealed(pbkdf2("PBKDF2WithHmacSHA512"), text(Habits::usual)));

        byte[] plain = text(Habits::usual), iv = random(16);
        byte[] padded = Arrays.copyOf(plain, (plain.length / 16 + 1) * 16);
        padded[plain.length] = (byte) 0x80;
        write("iso7816.habit", join(iv, cipher("AES/CBC/NoPadding", key, iv, padded)));
        write("20170513.habit", cipher(CBC, key, Arrays.copyOf("20170513".getBytes(StandardCharsets.US_ASCII), 16), plain));
        write("name-md5.habit", cipher(CBC, key, digest("MD5", "name-md5.habit".getBytes(StandardCharsets.US_ASCII)), plain));

        byte[] nonce = random(12);
        Cipher gcm = Cipher.getInstance("AES/GCM/NoPadding");
        gcm.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, nonce));
        write("gcm.named", join(nonce, gcm.doFinal(plain)));
    }
}
