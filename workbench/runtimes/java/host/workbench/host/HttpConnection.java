package workbench.host;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One client's connection: reads requests, writes answers, and is as strict about what it reads as `wb_http.py`, which
 * does the same for Python: what is not clearly a request is refused.
 */
final class HttpConnection {
    /** Bytes; AWS Lambda's limit of a synchronous invocation's payload (Lambda quotas). */
    static final int MAX_BODY = 6 * 1024 * 1024;
    private static final int MAX_HEAD = 64 * 1024;
    private static final int IDLE_MS = 75_000;
    private final Socket client;
    private final InputStream in;
    private final OutputStream out;
    private final String peer;
    private final byte[] buffer = new byte[16384];
    private int from;
    private int to;

    /** What came is not a request that can be taken; answered with `status`, then the connection is closed. */
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1;
        final int status;

        Refused(int status, String message) {
            super(message, null, false, false);
            this.status = status;
        }
    }

    HttpConnection(Socket client) throws IOException {
        this.client = client;
        client.setTcpNoDelay(true);
        client.setSoTimeout(IDLE_MS);
        in = client.getInputStream();
        out = client.getOutputStream();
        peer = ((InetSocketAddress) client.getRemoteSocketAddress()).getAddress().getHostAddress();
    }

    /** The next request; null when the client is done. */
    HttpRequest read() throws IOException, Refused {
        List<String> lines = head();
        if (lines == null) {
            return null;
        }
        String[] first = lines.get(0).split(" ", -1);
        boolean modern = first.length == 3 && first[2].equals("HTTP/1.1");
        if (first.length != 3 || !isToken(first[0]) || !isTarget(first[1]) || !modern && !first[2].equals("HTTP/1.0")) {
            throw new Refused(400, "the request line is malformed");
        }
        Map<String, List<String>> headers = headers(lines.subList(1, lines.size()));
        if (modern && (!headers.containsKey("host") || headers.get("host").size() != 1)) {
            throw new Refused(400, "a request needs one Host header");
        }
        String option = HttpRequest.joined(headers, "connection").toLowerCase();
        boolean keepAlive = modern ? !option.contains("close") : option.contains("keep-alive");
        String target = first[1];
        if (!target.startsWith("/")) { // absolute form, as sent to a proxy
            int scheme = target.indexOf("://");
            int slash = scheme < 0 ? -1 : target.indexOf('/', scheme + 3);
            target = slash < 0 ? "/" : target.substring(slash);
        }
        int mark = target.indexOf('?');
        String path = mark < 0 ? target : target.substring(0, mark);
        String query = mark < 0 ? "" : target.substring(mark + 1);
        return new HttpRequest(first[0], path, query, headers, keepAlive, peer, body(headers, modern));
    }

    /** Send an answer in one piece. */
    void write(HttpAnswer answer, boolean headOnly, boolean close) throws IOException {
        StringBuilder head = new StringBuilder(512);
        head.append("HTTP/1.1 ").append(answer.status()).append(' ').append(reason(answer.status())).append("\r\n");
        for (String[] header : answer.headers()) {
            head.append(header[0]).append(": ").append(header[1]).append("\r\n");
        }
        boolean bodiless = answer.status() == 204 || answer.status() == 304;
        if (!bodiless) {
            head.append("Content-Length: ").append(answer.body().length).append("\r\n");
        }
        head.append(close ? "Connection: close\r\n\r\n" : "\r\n");
        byte[] start = head.toString().getBytes(StandardCharsets.ISO_8859_1);
        int length = headOnly || bodiless ? 0 : answer.body().length;
        byte[] whole = new byte[start.length + length];
        System.arraycopy(start, 0, whole, 0, start.length);
        System.arraycopy(answer.body(), 0, whole, start.length, length);
        out.write(whole);
    }

    /** Answer what could not be taken, and read on a little so that the client gets to see it. */
    void refuse(Refused refused) throws IOException {
        write(HttpAnswer.message(refused.status, refused.getMessage()), false, true);
        client.shutdownOutput();
        client.setSoTimeout(1000);
        int left = 2 * MAX_BODY;
        while (left > 0 && fill()) {
            left -= to;
        }
    }

    private List<String> head() throws IOException, Refused {
        List<String> lines = new ArrayList<>();
        int size = 0;
        while (true) {
            String line = line(MAX_HEAD - size, 431, "the request's headers are too long", lines.isEmpty());
            if (line == null) {
                return null;
            }
            size += line.length() + 2;
            if (!line.isEmpty()) {
                lines.add(line);
            } else if (!lines.isEmpty()) { // empty lines before a request are allowed
                return lines;
            }
        }
    }

    private static Map<String, List<String>> headers(List<String> lines) throws Refused {
        Map<String, List<String>> headers = new LinkedHashMap<>();
        for (String line : lines) {
            int colon = line.indexOf(':');
            boolean clean = line.indexOf('\r') < 0 && line.indexOf('\n') < 0 && line.indexOf('\0') < 0;
            if (colon < 0 || !isToken(line.substring(0, colon)) || !clean) {
                throw new Refused(400, "a header line is malformed");
            }
            String name = line.substring(0, colon).toLowerCase();
            if (!headers.containsKey(name)) {
                headers.put(name, new ArrayList<>());
            }
            headers.get(name).add(trimmed(line.substring(colon + 1)));
        }
        return headers;
    }

    private byte[] body(Map<String, List<String>> headers, boolean modern) throws IOException, Refused {
        String coding = HttpRequest.joined(headers, "transfer-encoding").trim().toLowerCase();
        Set<String> lengths = new HashSet<>();
        for (String length : HttpRequest.joined(headers, "content-length").split(",")) {
            if (!length.isBlank()) {
                lengths.add(length.trim());
            }
        }
        if (!coding.isEmpty()) {
            if (!lengths.isEmpty() || !modern) {
                throw new Refused(400, "a body has either a length or a transfer encoding");
            }
            if (!coding.equals("chunked")) {
                throw new Refused(501, "the only transfer encoding here is chunked");
            }
            expect(headers);
            return chunks();
        }
        if (!headers.containsKey("content-length")) {
            return new byte[0];
        }
        long length = lengths.size() == 1 ? number(lengths.iterator().next(), 10, 18) : -1;
        if (length < 0) {
            throw new Refused(400, "Content-Length is not a number");
        }
        if (length > MAX_BODY) {
            throw new Refused(413, "the body is larger than " + MAX_BODY + " bytes");
        }
        expect(headers);
        return exactly((int) length);
    }

    private void expect(Map<String, List<String>> headers) throws IOException, Refused {
        String expected = HttpRequest.joined(headers, "expect").toLowerCase();
        if (expected.equals("100-continue")) {
            out.write("HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        } else if (!expected.isEmpty()) {
            throw new Refused(417, "the only expectation met here is 100-continue");
        }
    }

    private byte[] chunks() throws IOException, Refused {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        while (true) {
            String line = line(MAX_HEAD, 400, "a line inside a body does not end", false);
            int end = line.indexOf(';');
            String digits = end < 0 ? line : line.substring(0, end);
            long count = number(digits.stripTrailing(), 16, 15);
            if (count < 0) {
                throw new Refused(400, "a chunk's size is malformed");
            }
            if (body.size() + count > MAX_BODY) {
                throw new Refused(413, "the body is larger than " + MAX_BODY + " bytes");
            }
            if (count == 0) {
                break;
            }
            body.write(exactly((int) count));
            byte[] after = exactly(2);
            if (after[0] != '\r' || after[1] != '\n') {
                throw new Refused(400, "a chunk does not end where it said");
            }
        }
        int trailers = 0;
        String line;
        while (!(line = line(MAX_HEAD, 400, "a line inside a body does not end", false)).isEmpty()) {
            trailers += line.length();
            if (trailers > MAX_HEAD) {
                throw new Refused(431, "the request's trailers are too long");
            }
        }
        return body.toByteArray();
    }

    private byte[] exactly(int count) throws IOException, Refused {
        byte[] found = new byte[count];
        int have = 0;
        while (have < count) {
            if (from == to && !fill()) {
                throw new Refused(400, "the connection ended inside a body");
            }
            int taken = Math.min(count - have, to - from);
            System.arraycopy(buffer, from, found, have, taken);
            from += taken;
            have += taken;
        }
        return found;
    }

    /** A line without its CR LF, of Latin-1; null at the end of the connection where it `may` end. */
    private String line(int limit, int status, String tooLong, boolean may) throws IOException, Refused {
        ByteArrayOutputStream line = new ByteArrayOutputStream(128);
        byte last = 0;
        while (true) {
            if (from == to && !fill()) {
                if (may && line.size() == 0) {
                    return null;
                }
                throw new Refused(400, status == 431 ? "the connection ended inside a request"
                        : "a line inside a body does not end");
            }
            byte one = buffer[from++];
            if (one == '\n' && last == '\r') {
                String text = line.toString(StandardCharsets.ISO_8859_1);
                return text.substring(0, text.length() - 1);
            }
            if (line.size() > limit) {
                throw new Refused(status, tooLong);
            }
            line.write(one);
            last = one;
        }
    }

    private boolean fill() throws IOException {
        from = 0;
        to = Math.max(0, in.read(buffer));
        return to > 0;
    }

    private static long number(String digits, int base, int atMost) {
        if (digits.isEmpty() || digits.length() > atMost) {
            return digits.isEmpty() || !allDigits(digits, base) ? -1 : Long.MAX_VALUE;
        }
        return allDigits(digits, base) ? Long.parseLong(digits, base) : -1;
    }

    private static boolean allDigits(String digits, int base) {
        for (int i = 0; i < digits.length(); i++) {
            if (digits.charAt(i) > 127 || Character.digit(digits.charAt(i), base) < 0) {
                return false;
            }
        }
        return true;
    }

    static boolean isToken(String text) {
        for (int i = 0; i < text.length(); i++) {
            char one = text.charAt(i);
            boolean plain = one >= '0' && one <= '9' || one >= 'A' && one <= 'Z' || one >= 'a' && one <= 'z';
            if (!plain && "!#$%&'*+.^_`|~-".indexOf(one) < 0) {
                return false;
            }
        }
        return !text.isEmpty();
    }

    private static boolean isTarget(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) < 0x21 || text.charAt(i) > 0x7e) {
                return false;
            }
        }
        return !text.isEmpty();
    }

    private static String trimmed(String text) {
        int first = 0;
        int last = text.length();
        while (first < last && (text.charAt(first) == ' ' || text.charAt(first) == '\t')) {
            first++;
        }
        while (first < last && (text.charAt(last - 1) == ' ' || text.charAt(last - 1) == '\t')) {
            last--;
        }
        return text.substring(first, last);
    }

    private static String reason(int status) {
        return switch (status) {
            case 200 -> "OK";
            case 201 -> "Created";
            case 202 -> "Accepted";
            case 204 -> "No Content";
            case 301 -> "Moved Permanently";
            case 302 -> "Found";
            case 304 -> "Not Modified";
            case 400 -> "Bad Request";
            case 401 -> "Unauthorized";
            case 403 -> "Forbidden";
            case 404 -> "Not Found";
            case 405 -> "Method Not Allowed";
            case 409 -> "Conflict";
            case 413 -> "Content Too Large";
            case 417 -> "Expectation Failed";
            case 422 -> "Unprocessable Content";
            case 429 -> "Too Many Requests";
            case 431 -> "Request Header Fields Too Large";
            case 500 -> "Internal Server Error";
            case 501 -> "Not Implemented";
            case 502 -> "Bad Gateway";
            case 503 -> "Service Unavailable";
            default -> "Unknown"; // a reason is for people; programs read the number (RFC 9110, 15)
        };
    }
}
