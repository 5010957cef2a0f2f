package workbench.host;

import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;

/** HTTP to and from a handler, as API Gateway's HTTP API does it (payload format version 2.0). */
final class HttpEvents {
    private static final Pattern TEXT = Pattern.compile("(text/|application/(.*\\+)?(json|xml|javascript)\\b).*");
    private static final DateTimeFormatter CLF =
            DateTimeFormatter.ofPattern("dd/MMM/yyyy:HH:mm:ss +0000", Locale.ROOT);

    private HttpEvents() { }

    /** The event that API Gateway would make of a request. */
    static Map<String, Object> event(HttpRequest request) {
        Map<String, Object> headers = new LinkedHashMap<>();
        for (String name : request.headers().keySet()) {
            headers.put(name, request.header(name));
        }
        List<Object> cookies = new ArrayList<>();
        headers.remove("cookie");
        for (String cookie : request.header("cookie").split(";")) {
            if (!cookie.isBlank()) {
                cookies.add(cookie.trim());
            }
        }
        String path = decoded(request.path().replace("+", "%2B"));
        String host = (String) headers.getOrDefault("host", "localhost");
        ZonedDateTime now = ZonedDateTime.now(ZoneOffset.UTC);
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("version", "2.0");
        event.put("routeKey", "$default");
        event.put("rawPath", path);
        event.put("rawQueryString", request.query());
        event.put("headers", headers);
        Map<String, Object> http = new LinkedHashMap<>();
        http.put("method", request.method());
        http.put("path", path);
        http.put("protocol", "HTTP/1.1");
        http.put("sourceIp", request.peer());
        http.put("userAgent", headers.getOrDefault("user-agent", ""));
        Map<String, Object> context = new LinkedHashMap<>();
        context.put("accountId", "000000000000");
        context.put("apiId", "local");
        context.put("domainName", host);
        context.put("domainPrefix", host.split("\\.", 2)[0]);
        context.put("http", http);
        context.put("requestId", UUID.randomUUID().toString().replace("-", ""));
        context.put("routeKey", "$default");
        context.put("stage", "$default");
        context.put("time", CLF.format(now));
        context.put("timeEpoch", now.toInstant().toEpochMilli());
        event.put("requestContext", context);
        String body = text(request);
        event.put("isBase64Encoded", body == null);
        if (!cookies.isEmpty()) {
            event.put("cookies", cookies);
        }
        if (!request.query().isEmpty()) {
            event.put("queryStringParameters", query(request.query()));
        }
        if (request.body().length > 0) {
            event.put("body", body == null ? Base64.getEncoder().encodeToString(request.body()) : body);
        }
        return event;
    }

    /**
     * The HTTP answer of a handler's result; throws IllegalArgumentException where it is malformed.
     *
     * <p>An object with statusCode is the whole answer, anything else a body of application/json.
     */
    static HttpAnswer answer(Object result) {
        if (!(result instanceof Map<?, ?> whole) || !whole.containsKey("statusCode")) {
            return HttpAnswer.json(200, result instanceof String text
                    ? text.getBytes(StandardCharsets.UTF_8) : Json.bytes(result));
        }
        int status = (int) Mapper.read(whole.get("statusCode"), int.class);
        if (status < 200 || status > 599) {
            throw new IllegalArgumentException("statusCode " + status + " is not from 200 to 599");
        }
        Object text = whole.get("body") == null ? "" : whole.get("body");
        if (!(text instanceof String)) {
            throw new IllegalArgumentException("the body of a response is a string; write JSON as text");
        }
        byte[] body = Boolean.TRUE.equals(whole.get("isBase64Encoded"))
                ? Base64.getDecoder().decode((String) text) : ((String) text).getBytes(StandardCharsets.UTF_8);
        List<String[]> headers = new ArrayList<>();
        boolean typed = false;
        if (whole.get("headers") instanceof Map<?, ?> given) {
            for (Map.Entry<?, ?> header : given.entrySet()) {
                String name = header.getKey().toString().toLowerCase(Locale.ROOT);
                typed |= name.equals("content-type");
                if (!List.of("content-length", "transfer-encoding", "connection").contains(name)) {
                    headers.add(header(header.getKey().toString(), header.getValue()));
                }
            }
        } else if (whole.get("headers") != null) {
            throw new IllegalArgumentException("the headers of a response are an object, its cookies a list");
        }
        if (whole.get("cookies") instanceof List<?> cookies) {
            for (Object cookie : cookies) {
                headers.add(header("Set-Cookie", cookie));
            }
        } else if (whole.get("cookies") != null) {
            throw new IllegalArgumentException("the headers of a response are an object, its cookies a list");
        }
        if (!typed) {
            headers.add(new String[] {"Content-Type", "text/plain;charset=UTF-8"});
        }
        return new HttpAnswer(status, headers, body);
    }

    /** The body as text; null where it is none. */
    private static String text(HttpRequest request) {
        String type = request.header("content-type").toLowerCase(Locale.ROOT);
        if (!type.isEmpty() && !TEXT.matcher(type).matches()) {
            return null;
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(request.body())).toString();
        } catch (CharacterCodingException binary) {
            return null;
        }
    }

    private static Map<String, Object> query(String raw) {
        Map<String, Object> found = new LinkedHashMap<>();
        for (String pair : raw.split("&")) {
            if (!pair.isEmpty()) {
                int equals = pair.indexOf('=');
                String name = decoded(equals < 0 ? pair : pair.substring(0, equals));
                String value = equals < 0 ? "" : decoded(pair.substring(equals + 1));
                found.put(name, found.containsKey(name) ? found.get(name) + "," + value : value);
            }
        }
        return found;
    }

    private static String decoded(String text) {
        try {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException malformed) { // a percent sign that begins no escape stands for itself
            return URLDecoder.decode(text.replaceAll("%(?![0-9A-Fa-f]{2})", "%25"), StandardCharsets.UTF_8);
        }
    }

    private static String[] header(String name, Object value) {
        String text = String.valueOf(value);
        if (!HttpConnection.isToken(name)) {
            throw new IllegalArgumentException("'" + name + "' is not a header name");
        }
        for (int i = 0; i < text.length(); i++) {
            char one = text.charAt(i);
            if (one == '\r' || one == '\n' || one == '\0' || one > 0xff) {
                throw new IllegalArgumentException("the value of header " + name + " has a character that none may have");
            }
        }
        return new String[] {name, text};
    }
}
