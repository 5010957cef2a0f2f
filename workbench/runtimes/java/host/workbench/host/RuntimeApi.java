package workbench.host;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * A client of the Lambda Runtime API (version 2018-06-01) over one kept-alive connection, without any time limit.
 *
 * <p>On a plain socket, which loads the fewest classes: a SocketChannel looks for services first, HttpURLConnection and
 * java.net.http load several hundred more before their first byte.
 */
final class RuntimeApi {
    private static final String BASE = "/2018-06-01/runtime/";
    private final String host;
    private final String name;
    private final int port;
    private final byte[] buffer = new byte[16384];
    private int from;
    private int to;
    private InputStream in;
    private OutputStream out;

    /** What the API answered; header names in lower case. */
    record Answer(int status, Map<String, String> headers, byte[] body) { }

    /** A client of the API at `address`, host:port. */
    RuntimeApi(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        name = address;
        host = address.substring(0, colon);
        port = Integer.parseInt(address.substring(colon + 1));
        connect();
    }

    /** Wait for the next invocation. */
    Answer next() throws IOException {
        return checked(exchange("GET", "invocation/next", null, null), 200);
    }

    /** The result of invocation `id`; a result that is too large is refused, and is then the function's error. */
    void respond(String id, byte[] result) throws IOException {
        Answer answer = exchange("POST", "invocation/" + id + "/response", result, null);
        if (answer.status != 413) {
            checked(answer, 202);
        }
    }

    /** The failure of invocation `id`. */
    void fail(String id, Fault fault, String kind) throws IOException {
        checked(exchange("POST", "invocation/" + id + "/error", Json.bytes(fault.report()), kind), 202);
    }

    /** The service cannot be loaded. */
    void failInit(Fault fault, String kind) throws IOException {
        checked(exchange("POST", "init/error", Json.bytes(fault.report()), kind), 202);
    }

    private static Answer checked(Answer answer, int wanted) throws IOException {
        if (answer.status != wanted) {
            throw new IOException("the Runtime API answered " + answer.status + ": "
                    + new String(answer.body, StandardCharsets.UTF_8));
        }
        return answer;
    }

    private void connect() throws IOException {
        Socket socket = new Socket(InetAddress.getByName(host), port);
        socket.setTcpNoDelay(true);
        in = socket.getInputStream();
        out = socket.getOutputStream();
        from = to = 0;
    }

    private Answer exchange(String method, String path, byte[] body, String errorKind) throws IOException {
        StringBuilder head = new StringBuilder(256);
        head.append(method).append(' ').append(BASE).append(path).append(" HTTP/1.1\r\nHost: ").append(name);
        head.append("\r\nUser-Agent: workbench-java\r\n");
        if (errorKind != null) {
            head.append("Lambda-Runtime-Function-Error-Type: ").append(errorKind).append("\r\n");
        }
        if (body != null) {
            head.append("Content-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        }
        byte[] start = head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1);
        byte[] whole = start;
        if (body != null) {
            whole = new byte[start.length + body.length];
            System.arraycopy(start, 0, whole, 0, start.length);
            System.arraycopy(body, 0, whole, start.length, body.length);
        }
        out.write(whole);
        return read();
    }

    private Answer read() throws IOException {
        String[] first = line().split(" ", 3);
        Map<String, String> headers = new HashMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                headers.put(line.substring(0, colon).toLowerCase(), line.substring(colon + 1).trim());
            }
        }
        byte[] body;
        if ("chunked".equalsIgnoreCase(headers.get("transfer-encoding"))) {
            body = chunks();
        } else {
            body = exactly(Integer.parseInt(headers.getOrDefault("content-length", "0")));
        }
        Answer answer = new Answer(Integer.parseInt(first[1]), headers, body);
        if ("close".equalsIgnoreCase(headers.get("connection"))) {
            in.close();
            connect();
        }
        return answer;
    }

    private byte[] chunks() throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        while (true) {
            int size = Integer.parseInt(line().split(";")[0].trim(), 16);
            if (size == 0) {
                while (!line().isEmpty()) { }
                return whole.toByteArray();
            }
            whole.write(exactly(size));
            line();
        }
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder(64);
        while (true) {
            if (from == to) {
                fill();
            }
            char one = (char) (buffer[from++] & 0xff);
            if (one == '\n') {
                int end = line.length() - 1;
                return end >= 0 && line.charAt(end) == '\r' ? line.substring(0, end) : line.toString();
            }
            line.append(one);
        }
    }

    private byte[] exactly(int count) throws IOException {
        byte[] found = new byte[count];
        int have = Math.min(count, to - from);
        System.arraycopy(buffer, from, found, 0, have);
        from += have;
        while (have < count) {
            int more = in.read(found, have, count - have);
            if (more < 0) {
                throw new EOFException("the Runtime API closed the connection");
            }
            have += more;
        }
        return found;
    }

    private void fill() throws IOException {
        from = to = 0;
        int count = in.read(buffer);
        if (count < 0) {
            throw new EOFException("the Runtime API closed the connection");
        }
        to = count;
    }
}
