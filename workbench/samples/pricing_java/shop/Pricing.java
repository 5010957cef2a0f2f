package shop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Order pricing: what a unit price becomes with quantity discounts and tax. The `pricing` sample, in Java.
 *
 * <p>A handler that takes either a plain payload, {"sku": "A1", "quantity": 3}, or an HTTP request in API Gateway's v2
 * form with two routes: GET /catalogue and POST /price (the plain payload as its body).
 *
 * <p>Two things to notice when it is deployed:
 *
 * <ul>
 *   <li>The catalogue is loaded when the class is: once an instance, in its init phase, not once a request.
 *   <li>{@code instance_calls} counts in memory, the calls that this instance has served and nothing more.
 * </ul>
 */
public class Pricing {
    private static final Map<String, Article> CATALOGUE = loadCatalogue();
    private static final BigDecimal TAX = new BigDecimal("0.20");
    private static final String ROUTES = "there are GET /catalogue and POST /price";
    private final AtomicInteger calls = new AtomicInteger();

    /** An article as the catalogue has it. */
    public record Article(String sku, String name, BigDecimal unitPrice) { }

    /** Answer a plain payload with a priced order, an HTTP request with an HTTP response. */
    public Object handle(Map<String, Object> event) {
        calls.incrementAndGet();
        if (event == null || !event.containsKey("requestContext")) {
            Map<String, Object> order = event == null ? Map.of() : event;
            return price(order.getOrDefault("sku", "A1"), order.getOrDefault("quantity", 1));
        }
        return route(event);
    }

    private Map<String, Object> price(Object sku, Object quantity) {
        Article article = sku == null ? null : CATALOGUE.get(sku.toString());
        if (article == null) {
            throw new IllegalArgumentException("unknown sku '" + sku + "'; GET /catalogue lists them");
        }
        if (!(quantity instanceof Integer number) || number < 1 || number > 10_000) {
            throw new IllegalArgumentException("quantity must be a whole number from 1 to 10000, not " + quantity);
        }
        String discount = number >= 100 ? "0.15" : number >= 10 ? "0.05" : "0";
        BigDecimal net = article.unitPrice().multiply(BigDecimal.valueOf(number))
                .multiply(BigDecimal.ONE.subtract(new BigDecimal(discount)));
        BigDecimal total = net.multiply(BigDecimal.ONE.add(TAX)).setScale(2, RoundingMode.HALF_UP);
        Map<String, Object> priced = new LinkedHashMap<>();
        priced.put("sku", article.sku());
        priced.put("name", article.name());
        priced.put("quantity", number);
        priced.put("unit_price", article.unitPrice().toString());
        priced.put("discount", discount);
        priced.put("total", total.toString());
        priced.put("currency", "EUR");
        priced.put("instance_calls", calls.get());
        return priced;
    }

    private Object route(Map<String, Object> event) {
        Map<?, ?> http = (Map<?, ?>) ((Map<?, ?>) event.get("requestContext")).get("http");
        String asked = http.get("method") + " " + event.getOrDefault("rawPath", "/");
        if (asked.equals("GET /catalogue")) {
            return articles(); // what is no response of its own is the body of one, as JSON
        }
        if (asked.equals("POST /price")) {
            String body = bodyOf(event);
            try {
                String quantity = field(body, "quantity", "-?\\d{1,9}");
                return price(field(body, "sku", "\"[^\"\\\\]*\""), quantity == null ? null : Integer.valueOf(quantity));
            } catch (IllegalArgumentException error) {
                return refuse(400, error.getMessage());
            }
        }
        return refuse(404, "no route for " + asked + "; " + ROUTES);
    }

    private static List<Map<String, String>> articles() {
        List<Map<String, String>> found = new ArrayList<>();
        for (Article article : CATALOGUE.values()) {
            found.add(Map.of("sku", article.sku(), "name", article.name(), "unit_price", article.unitPrice().toString()));
        }
        return found;
    }

    private static Map<String, Object> refuse(int status, String why) {
        String body = "{\"error\": \"" + why.replaceAll("[\"\\\\\\p{Cntrl}]", "'") + "\"}";
        return Map.of("statusCode", status, "headers", Map.of("content-type", "application/json"), "body", body);
    }

    private static String bodyOf(Map<String, Object> event) {
        String body = (String) event.getOrDefault("body", "");
        boolean encoded = Boolean.TRUE.equals(event.get("isBase64Encoded"));
        return encoded ? new String(Base64.getDecoder().decode(body), StandardCharsets.UTF_8) : body;
    }

    /** A field of a flat JSON object, without its quotes; null where there is none. The JDK has no JSON parser. */
    private static String field(String json, String name, String value) {
        Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*(" + value + ")\\s*[,}]").matcher(json);
        return found.find() ? found.group(1).replace("\"", "") : null;
    }

    private static Map<String, Article> loadCatalogue() {
        Map<String, Article> found = new LinkedHashMap<>();
        Pattern row = Pattern.compile("(\\w+),(?:\"([^\"]*)\"|([^,]*)),([0-9.]+)");
        try (BufferedReader file = new BufferedReader(new InputStreamReader(
                Pricing.class.getResourceAsStream("/catalogue.csv"), StandardCharsets.UTF_8))) {
            for (String line = file.readLine(); line != null; line = file.readLine()) {
                Matcher parts = row.matcher(line);
                if (parts.matches()) {
                    String name = parts.group(2) == null ? parts.group(3) : parts.group(2);
                    found.put(parts.group(1), new Article(parts.group(1), name, new BigDecimal(parts.group(4))));
                }
            }
        } catch (IOException error) {
            throw new IllegalStateException("catalogue.csv cannot be read", error);
        }
        return found;
    }
}
