package workbench.host;

import java.util.List;
import java.util.Map;

/** One HTTP request; header names in lower case, each with its values in the order sent. */
record HttpRequest(String method, String path, String query, Map<String, List<String>> headers, boolean keepAlive,
        String peer, byte[] body) {

    /** The values of a header in one text; empty where it was not sent. */
    String header(String name) {
        return joined(headers, name);
    }

    static String joined(Map<String, List<String>> headers, String name) {
        List<String> values = headers.get(name);
        return values == null ? "" : String.join(",", values);
    }
}
