package workbench.host;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON to and from a tree of Map, List, String, Number, Boolean and null, strict and exact (RFC 8259).
 *
 * <p>Whole numbers become Integer, Long or BigInteger, whichever holds them first; others BigDecimal, so that no digit
 * is lost before it is known what type they are wanted as. The JDK has no JSON of its own.
 */
final class Json {
    /** How deep arrays and objects may be nested; deeper input is refused, as it would exhaust the stack. */
    static final int MAX_DEPTH = 1000;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The tree of a document in UTF-8; throws IllegalArgumentException naming the place where it is malformed. */
    static Object parse(byte[] document) {
        Json json = new Json(new String(document, StandardCharsets.UTF_8));
        json.space();
        Object value = json.value(0);
        json.space();
        if (json.at < json.text.length()) {
            throw json.wrong("there is more text behind the value");
        }
        return value;
    }

    /** The document of a tree, in UTF-8; throws IllegalArgumentException for what is no tree. */
    static byte[] bytes(Object tree) {
        StringBuilder out = new StringBuilder(256);
        write(tree, out, 0);
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    // ---- reading

    private Object value(int depth) {
        if (at >= text.length()) {
            throw wrong("a value is missing");
        }
        if (depth > MAX_DEPTH) {
            throw wrong("it is nested more than " + MAX_DEPTH + " deep");
        }
        switch (text.charAt(at)) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        at++;
        space();
        if (take('}')) {
            return found;
        }
        while (true) {
            space();
            if (at >= text.length() || text.charAt(at) != '"') {
                throw wrong("an object's name is missing");
            }
            String name = string();
            space();
            if (!take(':')) {
                throw wrong("a colon is missing");
            }
            space();
            found.put(name, value(depth + 1));
            space();
            if (take('}')) {
                return found;
            }
            if (!take(',')) {
                throw wrong("a comma or the object's end is missing");
            }
        }
    }

    private List<Object> array(int depth) {
        List<Object> found = new ArrayList<>();
        at++;
        space();
        if (take(']')) {
            return found;
        }
        while (true) {
            space();
            found.add(value(depth + 1));
            space();
            if (take(']')) {
                return found;
            }
            if (!take(',')) {
                throw wrong("a comma or the array's end is missing");
            }
        }
    }

    private String string() {
        int from = ++at;
        for (; at < text.length(); at++) {
            char character = text.charAt(at);
            if (character == '"') {
                return text.substring(from, at++);
            }
            if (character == '\\') {
                return escaped(from);
            }
            if (character < ' ') {
                throw wrong("a control character stands in a string");
            }
        }
        throw wrong("a string does not end");
    }

    private String escaped(int from) {
        StringBuilder found = new StringBuilder(text.length() - from < 64 ? 64 : 256).append(text, from, at);
        while (at < text.length()) {
            char character = text.charAt(at++);
            if (character == '"') {
                return found.toString();
            }
            if (character < ' ') {
                at--;
                throw wrong("a control character stands in a string");
            }
            found.append(character == '\\' ? escape() : character);
        }
        throw wrong("a string does not end");
    }

    private char escape() {
        char character = at < text.length() ? text.charAt(at++) : 0;
        switch (character) {
            case '"':
            case '\\':
            case '/':
                return character;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                int code = 0;
                for (int i = 0; i < 4; i++) {
                    char digit = at < text.length() ? text.charAt(at++) : 'x';
                    int number = digit < 128 ? Character.digit(digit, 16) : -1;
                    if (number < 0) {
                        throw wrong("an escape has no four hexadecimal digits");
                    }
                    code = code * 16 + number;
                }
                return (char) code;
            default:
                throw wrong("an escape is unknown");
        }
    }

    private Number number() {
        int from = at;
        take('-');
        if (!take('0') && digits() == 0) {
            throw wrong("a value is malformed");
        }
        boolean whole = true;
        if (take('.')) {
            whole = false;
            if (digits() == 0) {
                throw wrong("digits are missing in a number");
            }
        }
        if (take('e') || take('E')) {
            whole = false;
            if (!take('+')) {
                take('-');
            }
            if (digits() == 0) {
                throw wrong("digits are missing in a number");
            }
        }
        String digits = text.substring(from, at);
        if (!whole) {
            try {
                return new BigDecimal(digits);
            } catch (NumberFormatException error) { // an exponent beyond 32 bits
                throw wrong("a number is out of range");
            }
        }
        if (digits.length() > 18) {
            BigInteger large = new BigInteger(digits);
            return large.bitLength() < 64 ? (Number) large.longValue() : large;
        }
        long small = Long.parseLong(digits);
        return small == (int) small ? (Number) (int) small : (Number) small;
    }

    private int digits() {
        int from = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        return at - from;
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong("a value is malformed");
        }
        at += word.length();
        return value;
    }

    private boolean take(char wanted) {
        if (at < text.length() && text.charAt(at) == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private IllegalArgumentException wrong(String what) {
        return new IllegalArgumentException("This is not JSON: " + what + " (at character " + at + ")");
    }

    // ---- writing

    private static void write(Object tree, StringBuilder out, int depth) {
        if (depth > MAX_DEPTH) {
            throw new IllegalArgumentException("The value is nested more than " + MAX_DEPTH + " deep, or holds itself");
        }
        if (tree == null || tree instanceof Boolean) {
            out.append(tree);
        } else if (tree instanceof CharSequence || tree instanceof Character) {
            quote(tree.toString(), out);
        } else if (tree instanceof Double || tree instanceof Float) {
            double number = ((Number) tree).doubleValue();
            boolean finite = !Double.isNaN(number) && !Double.isInfinite(number);
            out.append(finite ? tree.toString() : "\"" + tree + "\""); // quoted, as Jackson does
        } else if (tree instanceof Number) {
            out.append(tree);
        } else if (tree instanceof Map<?, ?> map) {
            char before = '{';
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                out.append(before);
                quote(String.valueOf(entry.getKey()), out);
                out.append(':');
                write(entry.getValue(), out, depth + 1);
                before = ',';
            }
            out.append(before == '{' ? "{}" : "}");
        } else if (tree instanceof Iterable<?> items) {
            char before = '[';
            for (Object item : items) {
                out.append(before);
                write(item, out, depth + 1);
                before = ',';
            }
            out.append(before == '[' ? "[]" : "]");
        } else {
            throw new IllegalArgumentException(tree.getClass().getName() + " has no form in JSON");
        }
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        int plain = 0;
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            boolean paired = i + 1 < text.length() && Character.isSurrogatePair(character, text.charAt(i + 1));
            if (paired) {
                i++;
            } else if (character < ' ' || character == '"' || character == '\\' || Character.isSurrogate(character)) {
                out.append(text, plain, i);
                escape(character, out);
                plain = i + 1;
            }
        }
        out.append(text, plain, text.length()).append('"');
    }

    private static void escape(char character, StringBuilder out) {
        int letter = "\b\f\n\r\t\"\\".indexOf(character);
        if (letter >= 0) {
            out.append('\\').append("bfnrt\"\\".charAt(letter));
        } else { // a lone surrogate has no UTF-8: escaped, it arrives
            String digits = Integer.toHexString(character);
            out.append("\\u").append("0000", digits.length(), 4).append(digits);
        }
    }
}
