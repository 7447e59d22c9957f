// Merge writes and reads merge files as a Java programmer would who was given
// the profile in words. It is the other end in the interoperability tests, and
// uses javax.crypto alone.
//
//   java Merge seal|open PROFILE KEY SECRET IN OUT
//
// The rows are holder,points,transaction, one a line.

import java.io.ByteArrayOutputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

public class Merge {
    static String profile, key, secret;

    public static void main(String[] a) throws Exception {
        profile = a[1];
        key = a[2];
        secret = a[3];
        Path in = Path.of(a[4]), out = Path.of(a[5]);
        if (a[0].equals("seal")) {
            Files.write(out, encrypt(text(Files.readString(in)).getBytes(charset())));
        } else {
            Files.writeString(out, rows(new String(decrypt(Files.readAllBytes(in)), charset())));
        }
    }

    static Charset charset() {
        return profile.equals("DotNetDefault") ? Charset.forName("windows-31j") : StandardCharsets.US_ASCII;
    }

    static String lineEnd() {
        return profile.startsWith("OpenSSL") ? "\n" : "\r\n";
    }

    static String hash(String row) throws Exception {
        String joined = profile.equals("Standard") ? row + "," + secret : row.replace(",", "") + secret;
        byte[] sum = MessageDigest.getInstance("MD5").digest(joined.getBytes(charset()));
        StringBuilder s = new StringBuilder();
        for (byte b : sum) {
            s.append(String.format(profile.equals("DotNetDefault") ? "%02X" : "%02x", b));
        }
        return s.toString();
    }

    static String text(String rows) throws Exception {
        StringBuilder s = new StringBuilder();
        for (String row : rows.split("\n")) {
            s.append(row).append(',').append(hash(row)).append(lineEnd());
        }
        return s.toString();
    }

    static String rows(String text) throws Exception {
        if (!text.endsWith(lineEnd())) {
            throw new Exception("no line end at the end");
        }
        StringBuilder s = new StringBuilder();
        for (String line : text.split(lineEnd())) {
            int cut = line.lastIndexOf(',');
            String row = line.substring(0, cut);
            if (!hash(row).equals(line.substring(cut + 1))) {
                throw new Exception("hash");
            }
            s.append(row).append('\n');
        }
        return s.toString();
    }

    // derived gives key and IV of "openssl enc" for a passphrase and a salt.
    static byte[] derived(byte[] salt) throws Exception {
        if (profile.equals("OpenSSLPBKDF2")) {
            return SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
                .generateSecret(new PBEKeySpec(key.toCharArray(), salt, 10000, 256)).getEncoded();
        }
        MessageDigest md = MessageDigest.getInstance("MD5");
        byte[] pass = key.getBytes(StandardCharsets.US_ASCII);
        md.update(pass);
        byte[] first = md.digest(salt);
        md.update(first);
        md.update(pass);
        byte[] second = md.digest(salt);
        byte[] out = Arrays.copyOf(first, 32);
        System.arraycopy(second, 0, out, 16, 16);
        return out;
    }

    static byte[] run(int mode, String name, byte[] aes, byte[] iv, byte[] data) throws Exception {
        Cipher c = Cipher.getInstance(name);
        SecretKeySpec spec = new SecretKeySpec(aes, "AES");
        if (iv == null) {
            c.init(mode, spec);
        } else {
            c.init(mode, spec, new IvParameterSpec(iv));
        }
        return c.doFinal(data);
    }

    static byte[] rawKey() {
        byte[] b = key.getBytes(StandardCharsets.US_ASCII);
        if (!profile.equals("MySQL")) {
            return b;
        }
        byte[] folded = new byte[16];
        for (int i = 0; i < b.length; i++) {
            folded[i % 16] ^= b[i];
        }
        return folded;
    }

    static final String CBC = "AES/CBC/PKCS5Padding";

    static byte[] random(int n) {
        byte[] b = new byte[n];
        new SecureRandom().nextBytes(b);
        return b;
    }

    static byte[] concat(byte[]... parts) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] p : parts) {
            out.write(p);
        }
        return out.toByteArray();
    }

    static byte[] encrypt(byte[] text) throws Exception {
        switch (profile) {
            case "JavaDefault":
            case "MySQL":
                return run(Cipher.ENCRYPT_MODE, "AES", rawKey(), null, text);
            case "DotNetDefault":
                return run(Cipher.ENCRYPT_MODE, CBC, rawKey(), new byte[16], text);
            case "OpenSSLMD5":
            case "OpenSSLPBKDF2": {
                byte[] salt = random(8), d = derived(salt);
                return concat("Salted__".getBytes(StandardCharsets.US_ASCII), salt,
                    run(Cipher.ENCRYPT_MODE, CBC, Arrays.copyOf(d, 16), Arrays.copyOfRange(d, 16, 32), text));
            }
            default: {
                byte[] iv = random(16);
                return concat(iv, run(Cipher.ENCRYPT_MODE, CBC, rawKey(), iv, text));
            }
        }
    }

    static byte[] decrypt(byte[] file) throws Exception {
        byte[] rest = file.length < 16 ? file : Arrays.copyOfRange(file, 16, file.length);
        switch (profile) {
            case "JavaDefault":
            case "MySQL":
                return run(Cipher.DECRYPT_MODE, "AES", rawKey(), null, file);
            case "DotNetDefault":
                return run(Cipher.DECRYPT_MODE, CBC, rawKey(), new byte[16], file);
            case "OpenSSLMD5":
            case "OpenSSLPBKDF2": {
                byte[] d = derived(Arrays.copyOfRange(file, 8, 16));
                return run(Cipher.DECRYPT_MODE, CBC, Arrays.copyOf(d, 16), Arrays.copyOfRange(d, 16, 32), rest);
            }
            default:
                return run(Cipher.DECRYPT_MODE, CBC, rawKey(), Arrays.copyOf(file, 16), rest);
        }
    }
}
