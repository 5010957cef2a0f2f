package workbench.host;

import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * The main class: {@code lambda} is a Lambda runtime, {@code http} an HTTP server of the same handler.
 *
 * <p>Lambdas and string templates are avoided in this package: each is linked at run time, in the middle of a cold
 * start. What it reads of the environment says `isolation/languages.py`.
 */
public final class Main {
    private Main() { }

    /** Serve until told to end; does not return. */
    public static void main(String[] arguments) {
        int status = 1;
        try {
            Control control = Control.inherited(Integer.parseInt(System.getenv("WORKBENCH_CONTROL_FD")));
            if (System.getenv("WORKBENCH_WATCHED") == null) { // else what comes in is for whoever watches the owner
                control.endWithOwner();
            }
            ClassLoader loader = service();
            Thread.currentThread().setContextClassLoader(loader);
            if (arguments[0].equals("http")) {
                status = HttpHost.run(control, loader);
            } else {
                status = lambda(control, loader);
            }
        } catch (Throwable error) { // the Runtime API is gone, or this runtime is at fault
            error.printStackTrace();
        }
        System.out.flush();
        Runtime.getRuntime().halt(status);
    }

    private static int lambda(Control control, ClassLoader loader) throws IOException {
        RuntimeApi api = new RuntimeApi(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        control.mark("runtime_ready", null);
        Handler handler = null;
        Fault unusable = null;
        try {
            handler = Handler.load(System.getenv("_HANDLER"), loader);
        } catch (Fault fault) {
            if (fault.fatal) {
                print(fault);
                api.failInit(fault, "Runtime.BadFunctionCode");
                return 1;
            }
            unusable = fault; // as AWS: a class or method that is not there is every invocation's error
        }
        while (true) {
            RuntimeApi.Answer next = api.next();
            Invocation invocation = invocation(next.headers());
            try {
                if (unusable != null) {
                    throw unusable;
                }
                api.respond(invocation.id, handler.call(next.body(), invocation));
            } catch (Fault fault) {
                print(fault);
                api.fail(invocation.id, fault, unusable == null ? "Runtime.UserException" : "Runtime.BadFunctionCode");
                if (fault.fatal) {
                    return 1;
                }
            } catch (VirtualMachineError error) { // out of memory outside the service's own frames
                Fault fault = Fault.of(error, true);
                print(fault);
                api.fail(invocation.id, fault, "Runtime.UserException");
                return 1;
            }
            Thread.interrupted(); // a handler may have left it set
        }
    }

    private static Invocation invocation(Map<String, String> headers) {
        String trace = headers.get("lambda-runtime-trace-id");
        if (trace == null) {
            System.clearProperty("com.amazonaws.xray.traceHeader");
        } else {
            System.setProperty("com.amazonaws.xray.traceHeader", trace); // where AWS's tracer looks
        }
        return new Invocation(
                headers.get("lambda-runtime-aws-request-id"),
                headers.get("lambda-runtime-invoked-function-arn"),
                Long.parseLong(headers.getOrDefault("lambda-runtime-deadline-ms", "0")),
                tree(headers.get("lambda-runtime-client-context")),
                tree(headers.get("lambda-runtime-cognito-identity")));
    }

    private static Object tree(String header) {
        try {
            return header == null || header.isEmpty() ? null
                    : Json.parse(header.getBytes(StandardCharsets.ISO_8859_1));
        } catch (IllegalArgumentException malformed) {
            return null;
        }
    }

    /** Print what went wrong, as AWS's runtime does. */
    static void print(Fault fault) {
        System.out.print(fault.text());
        System.out.flush();
    }

    /** The service's classes: the package itself, its jars, and those of layers, as on AWS. */
    private static ClassLoader service() throws MalformedURLException {
        String task = System.getenv("LAMBDA_TASK_ROOT");
        List<URL> path = new ArrayList<>();
        path.add(new File(task).toURI().toURL());
        jars(new File(task, "lib"), path);
        jars(new File(task), path);
        jars(new File(System.getenv("WORKBENCH_JAVA_LAYERS")), path);
        // Its parent is the JDK's own, so that no class of this package stands before the service's.
        return new URLClassLoader(path.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
    }

    private static void jars(File directory, List<URL> path) throws MalformedURLException {
        String[] names = directory.list();
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            if (name.endsWith(".jar")) {
                path.add(new File(directory, name).toURI().toURL());
            }
        }
    }
}
