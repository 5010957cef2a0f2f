"""Services in Java for tests, and what makes ZIPs of them as people do: as sources, as classes, as a jar."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

ECHO = """
package shop;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

public class Echo {
    private static final AtomicInteger CALLS = new AtomicInteger();

    public enum Size { SMALL, LARGE }

    public static class Order {
        private String sku;
        private int quantity;
        private List<Line> lines = new ArrayList<>();
        public Map<String, Size> sizes;
        public BigDecimal price;
        public Boolean urgent;

        public String getSku() { return sku; }
        public void setSku(String sku) { this.sku = sku; }
        public int getQuantity() { return quantity; }
        public void setQuantity(int quantity) { this.quantity = quantity; }
        public List<Line> getLines() { return lines; }
        public void setLines(List<Line> lines) { this.lines = lines; }
    }

    public record Line(String text, double[] numbers) { }

    public record Seen(String awsRequestId, String functionName, int memoryLimitInMB) { }

    public interface Context {
        String getAwsRequestId();
        String getFunctionName();
        String getFunctionVersion();
        String getInvokedFunctionArn();
        String getLogGroupName();
        int getMemoryLimitInMB();
        int getRemainingTimeInMillis();
        ClientContext getClientContext();
        Logger getLogger();
    }

    public interface ClientContext {
        Map<String, String> getCustom();
        Map<String, String> getEnvironment();
        Client getClient();
    }

    public interface Client { String getInstallationId(); }

    public interface Logger { void log(String message); void log(byte[] message); }

    public record SeenContext(String awsRequestId, String functionName, int memoryLimitInMB) { }

    public Object any(Object event) { return event; }

    public Order order(Order order) { return order; }

    public Line line(Line line) { return line; }

    public String text(String text) { return text + "!"; }

    public int number(Integer number) { return number + 1; }

    public List<Size> sizes(List<Size> sizes) { return sizes; }

    public void nothing(Map<String, Object> event) { }

    public static Map<String, Object> fixed() { return Map.of("calls", CALLS.incrementAndGet()); }

    public void stream(InputStream in, OutputStream out) throws IOException { out.write(in.readAllBytes()); }

    public Seen record(Object event, SeenContext context) {
        return new Seen(context.awsRequestId(), context.functionName(), context.memoryLimitInMB());
    }

    public Map<String, Object> context(Map<String, Object> event, Context context) {
        context.getLogger().log("logged");
        context.getLogger().log("as bytes\\n".getBytes());
        Map<String, Object> seen = new HashMap<>();
        seen.put("id", context.getAwsRequestId());
        seen.put("name", context.getFunctionName());
        seen.put("version", context.getFunctionVersion());
        seen.put("arn", context.getInvokedFunctionArn());
        seen.put("group", context.getLogGroupName());
        seen.put("memory", context.getMemoryLimitInMB());
        seen.put("remaining", context.getRemainingTimeInMillis());
        ClientContext client = context.getClientContext();
        seen.put("custom", client == null ? null : client.getCustom());
        seen.put("environment", client == null ? null : client.getEnvironment());
        seen.put("installation", client == null ? null : client.getClient().getInstallationId());
        return seen;
    }

    public Object act(Map<String, Object> event) throws Exception {
        switch ((String) event.get("do")) {
            case "raise":
                try {
                    throw new IllegalStateException("the cause");
                } catch (IllegalStateException cause) {
                    throw new RuntimeException("broken", cause);
                }
            case "silent":
                throw new NullPointerException();
            case "exit":
                System.exit(((Number) event.get("code")).intValue());
                return null;
            case "deep":
                return act(event);
            case "fill":
                List<byte[]> held = new ArrayList<>();
                while (true) { held.add(new byte[1 << 20]); }
            case "circle":
                Map<String, Object> circle = new HashMap<>();
                circle.put("me", circle);
                return circle;
            case "print":
                System.out.print("out without end, ");
                System.err.println("err \\u00fc");
                return null;
            case "threads":
                List<Thread> threads = new ArrayList<>();
                for (int i = 0; i < ((Number) event.get("count")).intValue(); i++) {
                    Thread thread = new Thread(() -> { });
                    thread.start();
                    threads.add(thread);
                }
                for (Thread thread : threads) { thread.join(); }
                return threads.size();
            default:
                return Map.of("calls", CALLS.incrementAndGet(), "java", System.getProperty("java.version"),
                        "max", Runtime.getRuntime().maxMemory() >> 20, "env", System.getenv("AWS_EXECUTION_ENV"));
        }
    }
}
"""


def compiled(files: Mapping[str, str], directory: Path, *, class_path: str = "") -> dict[str, bytes]:
    """The class files that `javac` makes of sources, by their path."""
    for name, text in files.items():
        path = directory / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    classes = directory / "classes"
    sources = [str(directory / "source" / name) for name in files]
    options = ["-cp", class_path] if class_path else []
    subprocess.run(["javac", "--release", "17", *options, "-d", str(classes), *sources], check=True)
    return {str(path.relative_to(classes)): path.read_bytes() for path in classes.rglob("*.class")}


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A ZIP; also a jar, which is one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
