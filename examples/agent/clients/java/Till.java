import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import javax.crypto.Mac;

/**
 * A till in Java 8 that takes points, without packages.
 *
 *   MYNAKIT_AGENT_PIN=1234 agent -reader sim
 *   javac -encoding UTF-8 Till.java && java Till
 *
 * JSON is read by one pattern, since Java has no reader of it: use your own.
 */
public class Till {
    static final String NAME = "あおばPOS (Java)";

    /** What the agent refused. */
    static class AgentException extends IOException {
        final int status;
        final String code;

        AgentException(int status, String body) {
            super(field(body, "code") + ": " + field(body, "ja"));
            this.status = status;
            this.code = field(body, "code");
        }
    }

    /** The first value of a name in JSON that is a text or a number, or "". */
    static String field(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\":(?:\"((?:[^\"\\\\]|\\\\.)*)\"|(-?[0-9]+))").matcher(json);
        return !m.find() ? "" : m.group(1) != null ? m.group(1) : m.group(2);
    }

    /** The agent's folder, of this user alone. */
    static Path folder() {
        if (System.getenv("MYNAKIT_AGENT") != null) return Paths.get(System.getenv("MYNAKIT_AGENT"));
        String os = System.getProperty("os.name"), home = System.getProperty("user.home");
        String base = System.getenv("XDG_CONFIG_HOME");
        if (os.startsWith("Windows")) base = System.getenv("APPDATA");
        else if (os.startsWith("Mac")) base = home + "/Library/Application Support";
        else if (base == null || base.isEmpty()) base = home + "/.config";
        return Paths.get(base, "mynakit", "agent");
    }

    final String url;
    String token = "";

    /** keep is the file that this till keeps its token in. */
    Till(Path keep) throws Exception {
        String found = new String(Files.readAllBytes(folder().resolve("agent.json")), StandardCharsets.UTF_8);
        String secret = field(found, "secret"), nonce = UUID.randomUUID().toString();
        url = field(found, "url");
        Mac mac = Mac.getInstance("HmacSHA256"); // who took the port of an agent that was killed does not know the secret, nor gets it
        mac.init(new javax.crypto.spec.SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        String proof = Base64.getEncoder().encodeToString(mac.doFinal(nonce.getBytes(StandardCharsets.UTF_8)));
        if (!field(call("GET", "/v1/hello?nonce=" + nonce, null, null), "proof").equals(proof)) throw new IOException("another program has the agent's port");
        if (!Files.exists(keep)) // a new till: a token of its own, once
            Files.write(keep, field(call("POST", "/v1/clients", "{\"name\":\"" + NAME + "\",\"secret\":\"" + secret + "\"}", null), "token").getBytes(StandardCharsets.UTF_8));
        token = new String(Files.readAllBytes(keep), StandardCharsets.UTF_8);
    }

    String call(String method, String path, String body, String key) throws IOException {
        HttpURLConnection c = (HttpURLConnection) new URL(url + path).openConnection(Proxy.NO_PROXY);
        c.setRequestMethod(method);
        c.setConnectTimeout(5000);
        c.setReadTimeout(40000); // a call for events waits 25 seconds
        c.setRequestProperty("Content-Type", "application/json");
        if (!token.isEmpty()) c.setRequestProperty("Authorization", "Bearer " + token);
        if (key != null) c.setRequestProperty("Idempotency-Key", key);
        if (body != null) {
            c.setDoOutput(true);
            try (OutputStream out = c.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
        }
        int status = c.getResponseCode();
        try (InputStream in = status < 400 ? c.getInputStream() : c.getErrorStream()) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] buf = new byte[8192];
            for (int n; (n = in.read(buf)) > 0; ) all.write(buf, 0, n);
            String got = new String(all.toByteArray(), StandardCharsets.UTF_8);
            if (status >= 400) throw new AgentException(status, got);
            return got;
        }
    }

    /** Waits for a card and returns it. */
    String tap() throws IOException {
        for (String after = ""; ; ) {
            String got = call("GET", "/v1/card", null, null);
            if (got.contains("\"card\":{") && !field(got, "state").equals("reading")) return got;
            after = field(call("GET", "/v1/events?wait=25&after=" + after, null, null), "last");
        }
    }

    /** Has the holder type the PIN in the agent's window. */
    String prove(String card, String act, String account, int points) throws IOException {
        String proof = call("POST", "/v1/proofs", "{\"card\":\"" + field(card, "id") + "\",\"act\":\"" + act + "\",\"account\":\"" + account + "\",\"points\":" + points + "}", null);
        for (String after = ""; Arrays.asList("waiting_pin", "checking").contains(field(proof, "state")); ) {
            after = field(call("GET", "/v1/events?wait=25&after=" + after, null, null), "last");
            proof = call("GET", "/v1/proofs/" + field(proof, "id"), null, null);
        }
        return proof;
    }

    /** Takes points. Whatever is lost on the way, the key finds it again. */
    String use(String key, String card, String account, int points, String proof) throws IOException {
        String body = "{\"card\":\"" + field(card, "id") + "\",\"account\":\"" + account + "\",\"points\":" + points + ",\"proof\":\"" + field(proof, "id") + "\"}";
        for (int n = 0; n < 3; n++) {
            try {
                return call("POST", "/v1/uses", body, key);
            } catch (AgentException e) {
                throw e;
            } catch (IOException e) {
                // the answer is lost: the same call again
            }
        }
        // Before the till takes other payment, it cancels: only that is final.
        call("POST", "/v1/requests/" + URLEncoder.encode(key, "UTF-8") + "/cancel", null, null);
        throw new IOException("the agent does not answer; the use is cancelled");
    }

    public static void main(String[] args) throws Exception {
        String keep = System.getenv("TILL_TOKEN");
        Till till = new Till(Paths.get(keep == null ? "till.token" : keep));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        out.println("カードをセットしてください。");
        String card = till.tap();
        if (!field(card, "state").equals("known")) throw new IOException(field(card, "ja"));
        String account = field(card, "account");
        out.println("MyKey ID " + field(card, "mykey_id") + " " + account + " " + field(card, "points"));

        String proof = till.prove(card, "use", account, 500);
        if (!field(proof, "state").equals("proved")) throw new IOException("proof: " + field(proof, "state"));
        String key = UUID.randomUUID().toString(); // one for each press of the button, kept until the sale is closed
        till.use(key, card, account, 500, proof); // its answer is lost here …
        String use = till.call("GET", "/v1/requests/" + key, null, null); // … and asked for by its key
        out.println("used " + field(use, "points") + " balance " + field(use, "balance"));

        out.println("undone " + field(till.call("POST", "/v1/requests/" + key + "/cancel", "{}", null), "refunded"));
        String paper = till.call("POST", "/v1/prints", "{\"use\":\"" + field(use, "id") + "\",\"as\":\"escpos\"}", UUID.randomUUID().toString());
        out.println("printed " + (Base64.getDecoder().decode(field(paper, "data")).length > 0));
    }
}
