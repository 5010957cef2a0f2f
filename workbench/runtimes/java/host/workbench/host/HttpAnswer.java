package workbench.host;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Status, headers as name and value, and body of an HTTP answer. */
record HttpAnswer(int status, List<String[]> headers, byte[] body) {

    /** An answer in JSON. */
    static HttpAnswer json(int status, byte[] body) {
        List<String[]> headers = new ArrayList<>();
        headers.add(new String[] {"Content-Type", "application/json"});
        return new HttpAnswer(status, headers, body);
    }

    /** An answer of one message, in JSON; the message is plain ASCII of ours. */
    static HttpAnswer message(int status, String message) {
        return json(status, ("{\"message\":\"" + message + "\"}").getBytes(StandardCharsets.US_ASCII));
    }

    /** The same with a header more. */
    HttpAnswer with(String name, String value) {
        headers.add(new String[] {name, value});
        return this;
    }
}
