import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A software Individual Number Card for tests: starts vcard and steers it. It
 * needs vcard on the PATH, or its path in VCARD, and pcscd with vpcd. Answers are
 * JSON; use the library that your project has. Here a pattern finds what is asked
 * for, so that nothing is needed beside the JDK.
 */
final class VCard implements AutoCloseable {
    private final Process process;
    private final HttpClient http = HttpClient.newHttpClient();
    final String url;
    final String reader;

    VCard(String... flags) throws IOException {
        String program = System.getenv().getOrDefault("VCARD", "vcard");
        List<String> command = new ArrayList<>(List.of(program, "-addr", "auto", "-control", "127.0.0.1:0", "-wait"));
        command.addAll(List.of(flags));
        process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String first = new BufferedReader(new InputStreamReader(process.getInputStream())).readLine();
        url = find(first, "\"control\":\"([^\"]+)\"");
        reader = find(first, "\"reader\":\"([^\"]+)\"");
    }

    @Override
    public void close() throws Exception {
        process.destroy();
        process.waitFor();
    }

    /** The body of the answer, which is that of a refusal if the status is not 200. */
    byte[] bytes(String method, String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path))
                .method(method, HttpRequest.BodyPublishers.ofString(body)).build();
        HttpResponse<byte[]> answer = http.send(request, HttpResponse.BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) {
            throw new IOException(new String(answer.body()));
        }
        return answer.body();
    }

    String call(String method, String path, String body) throws Exception {
        return new String(bytes(method, path, body), "UTF-8");
    }

    /** Another card, such as put("{\"kind\":\"expired\"}"). */
    String put(String card) throws Exception {
        return call("PUT", "/v1/card", card);
    }

    /** Tries left of a PIN, as the card counts them. */
    int left(String pin) throws Exception {
        return Integer.parseInt(find(call("GET", "/v1/card", ""), "\"" + pin + "\":\\{\"value\":\"[^\"]*\",\"left\":(\\d+)"));
    }

    long mark() throws Exception {
        return Long.parseLong(find(call("POST", "/v1/marks", "{}"), "\"n\":(\\d+)"));
    }

    /** How many PINs were presented after a mark. */
    long presented(long mark) throws Exception {
        return call("GET", "/v1/log?presented=true&after=" + mark, "").lines().count();
    }

    static String find(String text, String pattern) {
        Matcher m = Pattern.compile(pattern).matcher(text);
        if (!m.find()) {
            throw new IllegalStateException("no " + pattern + " in " + text);
        }
        return m.group(1);
    }
}
