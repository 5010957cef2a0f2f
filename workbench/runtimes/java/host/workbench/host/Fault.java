package workbench.host;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the service did wrong, in the form in which AWS's Java runtime reports it: errorMessage, errorType, stackTrace,
 * cause (AWS Lambda developer guide, "Java function errors").
 */
final class Fault extends Exception {
    private static final long serialVersionUID = 1;
    private static final String OURS = Fault.class.getPackageName() + ".";
    private final transient Map<String, Object> report;
    final boolean fatal;

    private Fault(Map<String, Object> report, boolean fatal, Throwable cause) {
        super(String.valueOf(report.get("errorMessage")), cause, false, false);
        this.report = report;
        this.fatal = fatal;
    }

    /** A fault of the service's making, in words of ours; `type` is the class that AWS's runtime would name. */
    static Fault of(String message, String type) {
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("errorMessage", message);
        report.put("errorType", type);
        return new Fault(report, false, null);
    }

    /** What the service threw; `fatal` where the instance cannot go on after it. */
    static Fault of(Throwable thrown, boolean fatal) {
        return new Fault(report(thrown, seen()), fatal, thrown);
    }

    /** The class of the service could not be made ready. */
    static Fault loading(String name, Throwable thrown) {
        Map<String, Object> report = report(thrown, seen());
        String why = thrown.getMessage() == null ? "" : ": " + thrown.getMessage();
        report.put("errorMessage", "Error loading class " + name + why);
        return new Fault(report, true, thrown);
    }

    /** An event, or a result, that does not go into its type or into JSON. */
    static Fault json(String message, Throwable thrown) {
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("errorMessage", message);
        report.put("errorType", "java.lang.RuntimeException");
        report.put("stackTrace", List.of());
        report.put("cause", report(thrown, seen()));
        return new Fault(report, false, thrown);
    }

    /** The report as a tree of JSON. */
    Map<String, Object> report() {
        return report;
    }

    /** The report as it is printed in the log. */
    String text() {
        StringBuilder text = new StringBuilder();
        text.append(report.get("errorMessage")).append(": ").append(report.get("errorType")).append('\n');
        append(report, "", text);
        return text.toString();
    }

    private static void append(Map<?, ?> report, String lead, StringBuilder text) {
        text.append(lead).append(report.get("errorType")).append(": ").append(report.get("errorMessage")).append('\n');
        if (report.get("stackTrace") instanceof List<?> trace) {
            for (Object line : trace) {
                text.append("\tat ").append(line).append('\n');
            }
        }
        if (report.get("cause") instanceof Map<?, ?> cause) {
            append(cause, "Caused by: ", text);
        }
    }

    private static Map<String, Object> report(Throwable thrown, Set<Throwable> seen) {
        Map<String, Object> report = new LinkedHashMap<>();
        String message = thrown.getLocalizedMessage();
        report.put("errorMessage", message == null ? thrown.getClass().getName() : message);
        report.put("errorType", thrown.getClass().getName());
        report.put("stackTrace", trace(thrown));
        if (thrown.getCause() != null && seen.add(thrown)) {
            report.put("cause", report(thrown.getCause(), seen));
        }
        return report;
    }

    private static List<String> trace(Throwable thrown) {
        List<String> lines = new ArrayList<>();
        for (StackTraceElement frame : thrown.getStackTrace()) {
            if (frame.getClassName().startsWith(OURS)) {
                break; // from here on it is this runtime, not the service
            }
            lines.add(frame.toString());
        }
        // Between this runtime and the service's method stand the frames of reflection.
        while (!lines.isEmpty() && lines.get(lines.size() - 1).startsWith("java.base/")
                && lines.get(lines.size() - 1).contains("reflect.")) {
            lines.remove(lines.size() - 1);
        }
        return lines;
    }

    private static Set<Throwable> seen() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }
}
