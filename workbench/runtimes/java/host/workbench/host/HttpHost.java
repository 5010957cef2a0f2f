package workbench.host;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** Entry of a container or VM-style instance: an HTTP server of the same handler, many requests at a time. */
final class HttpHost implements SignalHandler {
    private static final String DIRECT = "/2015-03-31/functions/function/invocations";
    private static final String HEALTH = "/_workbench/health";
    private final Handler handler;
    private final String instance = System.getenv("WORKBENCH_INSTANCE");
    private final String healthPath = System.getenv().getOrDefault("WORKBENCH_HEALTH_PATH", "").split("\\?", 2)[0];
    private final long timeoutMs = (long) (Double.parseDouble(System.getenv("WORKBENCH_TIMEOUT_S")) * 1000);
    private final AtomicBoolean fresh = new AtomicBoolean(true);
    private volatile boolean stopping;
    private int busy;

    private HttpHost(Handler handler) {
        this.handler = handler;
    }

    /** Load the service, say so, serve until SIGTERM; 0 when told to end, 1 when the service cannot be loaded. */
    static int run(Control control, ClassLoader loader) throws IOException, ReflectiveOperationException {
        ServerSocketChannel listener = listener(Integer.parseInt(System.getenv("WORKBENCH_LISTEN_FD")));
        control.mark("runtime_ready", null);
        HttpHost host;
        try {
            host = new HttpHost(Handler.load(System.getenv("_HANDLER"), loader));
        } catch (Fault fault) {
            Main.print(fault);
            control.mark("init_error", fault.report());
            return 1;
        }
        Signal.handle(new Signal("TERM"), host);
        control.mark("function_ready", null);
        host.serve(listener, loader);
        return 0;
    }

    /** SIGTERM: take no more, and end once the requests being answered are. */
    @Override
    public void handle(Signal signal) {
        stopping = true;
        synchronized (this) {
            while (busy > 0) {
                try {
                    wait();
                } catch (InterruptedException error) {
                    break;
                }
            }
        }
        System.out.flush();
        Runtime.getRuntime().halt(0); // accept() in the main thread is not to be woken otherwise
    }

    /** The JDK takes over a listening socket as standard input alone, as inetd passes it. */
    private static ServerSocketChannel listener(int number) throws IOException, ReflectiveOperationException {
        if (number != 0) {
            Class<?> inherited = Class.forName("sun.nio.ch.InheritedChannel");
            Method dup2 = inherited.getDeclaredMethod("dup2", int.class, int.class);
            dup2.setAccessible(true); // java.base opens sun.nio.ch to this module, on the command line
            dup2.invoke(null, number, 0);
        }
        return (ServerSocketChannel) System.inheritedChannel();
    }

    private void serve(ServerSocketChannel listener, ClassLoader loader) {
        while (true) {
            SocketChannel client;
            try {
                client = listener.accept();
            } catch (IOException error) { // out of descriptors or memory for a moment: the connection waits
                System.out.println("[WARNING] could not take a connection: " + error);
                pause();
                continue;
            }
            try {
                Thread thread = new Thread(null, new Talk(client.socket()), "connection", 1 << 19);
                thread.setDaemon(true);
                thread.setContextClassLoader(loader);
                thread.start();
            } catch (OutOfMemoryError error) { // no more threads within the instance's pids limit
                refuse(client.socket());
            }
        }
    }

    private static void refuse(Socket client) {
        try (client) {
            HttpAnswer busy = HttpAnswer.message(503, "this instance has no thread left").with("Retry-After", "1");
            new HttpConnection(client).write(busy, false, true);
        } catch (IOException error) {
            // the client went away
        }
    }

    private static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    /** One client's requests, one after the other, in a thread of their own. */
    private final class Talk implements Runnable {
        private final Socket client;

        Talk(Socket client) {
            this.client = client;
        }

        @Override
        public void run() {
            try (client) {
                HttpConnection connection = new HttpConnection(client);
                while (!stopping) {
                    HttpRequest request;
                    try {
                        request = connection.read();
                    } catch (HttpConnection.Refused refused) {
                        connection.refuse(refused);
                        return;
                    }
                    if (request == null || !one(connection, request)) {
                        return;
                    }
                }
            } catch (IOException error) {
                // the client went away, or was silent for too long
            }
        }
    }

    private boolean one(HttpConnection connection, HttpRequest request) throws IOException {
        synchronized (this) {
            busy++;
        }
        try {
            HttpAnswer answer;
            try {
                answer = answer(request);
            } catch (RuntimeException | Error error) {
                error.printStackTrace();
                answer = HttpAnswer.message(500, "Internal Server Error");
            }
            boolean keep = request.keepAlive() && !stopping;
            connection.write(answer, request.method().equals("HEAD"), !keep);
            return keep;
        } finally {
            synchronized (this) {
                busy--;
                notifyAll();
            }
        }
    }

    private HttpAnswer answer(HttpRequest request) {
        if (request.path().equals(HEALTH)) {
            return HttpAnswer.json(200, "{\"status\":\"ok\"}".getBytes(StandardCharsets.US_ASCII))
                    .with("X-Workbench-Instance", instance);
        }
        String id = UUID.randomUUID().toString();
        String arn = "arn:aws:lambda:" + System.getenv("AWS_REGION") + ":000000000000:function:"
                + System.getenv("AWS_LAMBDA_FUNCTION_NAME");
        Invocation invocation = new Invocation(id, arn, System.currentTimeMillis() + timeoutMs, null, null);
        boolean direct = request.path().equals(DIRECT) && request.method().equals("POST");
        long began = System.nanoTime();
        HttpAnswer answer;
        try {
            if (direct) {
                byte[] event = request.body().length > 0 ? request.body() : new byte[] {'{', '}'};
                try {
                    Json.parse(event);
                } catch (IllegalArgumentException error) {
                    return refused(error);
                }
                began = System.nanoTime();
                answer = HttpAnswer.json(200, handler.call(event, invocation));
            } else {
                answer = HttpEvents.answer(handler.call((Object) HttpEvents.event(request), invocation));
            }
        } catch (IllegalArgumentException error) { // of HttpEvents.answer
            answer = failed(Fault.json("The handler's result is no HTTP response", error), direct);
        } catch (Fault fault) {
            answer = failed(fault, direct);
        }
        double took = (System.nanoTime() - began) / 1e6;
        answer.with("X-Workbench-Instance", instance);
        answer.with("X-Workbench-Handler-Ms", String.valueOf(Math.round(took * 1000) / 1000.0));
        answer.with("X-Amzn-RequestId", id);
        boolean asksForHealth = request.method().equals("GET") && request.path().equals(healthPath);
        if (!asksForHealth && fresh.getAndSet(false)) { // one answer alone is the first
            answer.with("X-Workbench-Cold", "1");
        }
        return answer;
    }

    private static HttpAnswer refused(IllegalArgumentException error) {
        String message = "Could not parse request body into json: " + error.getMessage();
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("Type", "User");
        body.put("message", message);
        return HttpAnswer.json(400, Json.bytes(body)).with("X-Amzn-ErrorType", "InvalidRequestContentException");
    }

    private static HttpAnswer failed(Fault fault, boolean direct) {
        Main.print(fault);
        HttpAnswer answer = direct ? HttpAnswer.json(200, Json.bytes(fault.report()))
                : HttpAnswer.message(502, "Internal Server Error");
        return answer.with("X-Amz-Function-Error", "Unhandled");
    }
}
