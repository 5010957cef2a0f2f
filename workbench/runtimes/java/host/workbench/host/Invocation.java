package workbench.host;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One invocation, and the object that the handler gets as its context.
 *
 * <p>The service's own type decides what that is: for an interface a proxy that answers its methods by their names
 * (getAwsRequestId, or awsRequestId), which suits AWS's com.amazonaws.services.lambda.runtime.Context as well as one
 * that a service wrote itself; a record or bean gets its properties filled in.
 */
final class Invocation {
    final String id;
    private final long deadlineNs;
    private final Map<String, Object> properties = new LinkedHashMap<>();

    /** An invocation that may take until `deadlineMs` of the wall clock. */
    Invocation(String id, String arn, long deadlineMs, Object clientContext, Object identity) {
        this.id = id;
        this.deadlineNs = System.nanoTime() + (deadlineMs - System.currentTimeMillis()) * 1_000_000;
        properties.put("awsRequestId", id);
        properties.put("logGroupName", System.getenv("AWS_LAMBDA_LOG_GROUP_NAME"));
        properties.put("logStreamName", System.getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
        properties.put("functionName", System.getenv("AWS_LAMBDA_FUNCTION_NAME"));
        properties.put("functionVersion", System.getenv("AWS_LAMBDA_FUNCTION_VERSION"));
        properties.put("invokedFunctionArn", arn);
        properties.put("memoryLimitInMB", Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")));
        properties.put("clientContext", clientContext);
        properties.put("identity", identity);
    }

    /** Whether a parameter of this type is a context: by its name, as AWS's own need not be on the class path. */
    static boolean isContext(Class<?> type) {
        return type.getSimpleName().endsWith("Context");
    }

    /** This invocation as a value of the service's type. */
    Object as(Class<?> type) {
        if (type.isInterface()) {
            return proxy(type, new Answers(properties));
        }
        properties.put("remainingTimeInMillis", remaining());
        return Mapper.read(new LinkedHashMap<>(properties), type);
    }

    private int remaining() {
        return (int) Math.max(0, (deadlineNs - System.nanoTime()) / 1_000_000);
    }

    private static Object proxy(Class<?> type, InvocationHandler answers) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, answers);
    }

    /** Answers an interface's methods out of a tree: getX() and x() give what stands there under the name x. */
    private final class Answers implements InvocationHandler {
        private final Map<?, ?> tree;

        Answers(Map<?, ?> tree) {
            this.tree = tree;
        }

        @Override
        public Object invoke(Object self, Method method, Object[] arguments) throws Throwable {
            String name = method.getName();
            if (method.getDeclaringClass() == Object.class) {
                return switch (name) {
                    case "equals" -> self == arguments[0];
                    case "hashCode" -> System.identityHashCode(self);
                    default -> method.getDeclaringClass().getName() + tree;
                };
            }
            if (name.equals("log") && arguments != null) {
                log(arguments[0]);
                return null;
            }
            if (method.isDefault() && !name.equals("getLogger")) {
                return InvocationHandler.invokeDefault(self, method, arguments);
            }
            if (name.startsWith("get") && name.length() > 3) {
                name = Character.toLowerCase(name.charAt(3)) + name.substring(4);
            }
            Class<?> type = method.getReturnType();
            if (name.equals("remainingTimeInMillis")) {
                return Mapper.read(remaining(), type);
            }
            if (name.equals("logger")) {
                return proxy(type, new Answers(Map.of()));
            }
            Object value = find(name);
            if (value instanceof Map<?, ?> inner && type.isInterface() && type != Map.class) {
                return proxy(type, new Answers(inner));
            }
            return Mapper.read(value, method.getGenericReturnType());
        }

        private Object find(String name) {
            if (tree.containsKey(name)) {
                return tree.get(name);
            }
            // The names on the wire of what AWS's ClientContext, Client and CognitoIdentity call otherwise.
            StringBuilder snake = new StringBuilder();
            for (char character : name.toCharArray()) {
                boolean large = Character.isUpperCase(character);
                snake.append(large ? "_" : "").append(Character.toLowerCase(character));
            }
            Object other = tree.get(snake.toString());
            if (other == null && name.equals("environment")) {
                return tree.get("env");
            }
            if (other == null && name.startsWith("identity")) {
                return tree.get("cognitoI" + name.substring(1));
            }
            return other;
        }
    }

    private static void log(Object message) {
        if (message instanceof byte[] bytes) {
            System.out.write(bytes, 0, bytes.length);
            System.out.flush();
        } else {
            String line = String.valueOf(message);
            byte[] bytes = (line.endsWith("\n") ? line : line + "\n").getBytes(StandardCharsets.UTF_8);
            System.out.write(bytes, 0, bytes.length);
            System.out.flush();
        }
    }
}
