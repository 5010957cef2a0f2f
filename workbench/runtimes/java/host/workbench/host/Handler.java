package workbench.host;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOError;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The service's method, found by `package.Class::method`, or `package.Class` for its method handleRequest.
 *
 * <p>Its parameters say what it is: streams in and out, or an event of any type that {@link Mapper} makes and a result
 * of any type that it writes; the last one may be a context. AWS's interfaces need not be on the class path.
 */
final class Handler {
    private static final byte[] NULL = "null".getBytes(StandardCharsets.US_ASCII);
    private final Object service;
    private final Method method;
    private final Class<?>[] parameters;
    private final Type event;
    private final boolean streams;

    private Handler(Class<?> owner, Method method, Object service) {
        this.service = service;
        this.method = method;
        this.parameters = method.getParameterTypes();
        boolean takesEvent = parameters.length > 0 && !Invocation.isContext(parameters[0]);
        this.event = takesEvent ? Types.in(written(owner, method).getGenericParameterTypes()[0], owner) : null;
        this.streams = isStream(parameters);
    }

    /** Load the class, make one instance of it and find its method; throws Fault, in the words of AWS's runtime. */
    static Handler load(String name, ClassLoader loader) throws Fault {
        int colons = name.lastIndexOf("::");
        String owner = colons < 0 ? name : name.substring(0, colons);
        String wanted = colons < 0 ? "handleRequest" : name.substring(colons + 2);
        if (owner.isEmpty() || wanted.isEmpty()) {
            throw Fault.of("Invalid handler: `" + name + "'", "java.lang.IllegalArgumentException");
        }
        Class<?> found;
        try {
            found = Class.forName(owner, true, loader);
        } catch (ClassNotFoundException error) {
            throw Fault.of("Class not found: " + owner, "java.lang.ClassNotFoundException");
        } catch (Throwable error) {
            throw Fault.loading(owner, error instanceof ExceptionInInitializerError && error.getCause() != null
                    ? error.getCause() : error);
        }
        Method method = find(found, wanted);
        return new Handler(found, method, Modifier.isStatic(method.getModifiers()) ? null : made(found));
    }

    /** Call the service with an event as JSON; its result as JSON. */
    byte[] call(byte[] document, Invocation invocation) throws Fault {
        if (streams) {
            return stream(document, invocation);
        }
        Object tree = null;
        try {
            tree = document.length == 0 ? null : Json.parse(document);
        } catch (IllegalArgumentException error) {
            throw Fault.json("An error occurred during JSON parsing", error);
        }
        Object result = result(tree, invocation);
        try {
            return result == null ? NULL : Json.bytes(result);
        } catch (IllegalArgumentException | StackOverflowError error) {
            throw Fault.json("An error occurred during JSON serialization of response", error);
        }
    }

    /** Call the service with an event as a tree of JSON; its result as one. */
    Object call(Object tree, Invocation invocation) throws Fault {
        if (!streams) {
            return result(tree, invocation);
        }
        byte[] answer = stream(Json.bytes(tree), invocation);
        try {
            return answer.length == 0 ? null : Json.parse(answer);
        } catch (IllegalArgumentException error) {
            return new String(answer, StandardCharsets.UTF_8); // a stream handler may answer what it likes
        }
    }

    private Object result(Object tree, Invocation invocation) throws Fault {
        Object[] arguments = new Object[parameters.length];
        int next = 0;
        if (event != null) {
            try {
                arguments[next++] = Mapper.read(tree, event);
            } catch (IllegalArgumentException error) {
                throw Fault.json("An error occurred during JSON parsing", error);
            }
        }
        if (next < parameters.length) {
            arguments[next] = invocation.as(parameters[next]);
        }
        Object result = invoke(arguments);
        try {
            return Mapper.write(result);
        } catch (IllegalArgumentException | StackOverflowError error) {
            throw Fault.json("An error occurred during JSON serialization of response", error);
        }
    }

    private byte[] stream(byte[] document, Invocation invocation) throws Fault {
        ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
        Object[] arguments = new Object[parameters.length];
        for (int i = 0; i < parameters.length; i++) {
            if (parameters[i] == InputStream.class) {
                arguments[i] = new ByteArrayInputStream(document);
            } else if (parameters[i] == OutputStream.class) {
                arguments[i] = out;
            } else {
                arguments[i] = invocation.as(parameters[i]);
            }
        }
        invoke(arguments);
        return out.toByteArray();
    }

    private Object invoke(Object[] arguments) throws Fault {
        try {
            return method.invoke(service, arguments);
        } catch (InvocationTargetException error) {
            Throwable thrown = error.getCause();
            throw Fault.of(thrown, thrown instanceof VirtualMachineError || thrown instanceof IOError);
        } catch (IllegalAccessException error) {
            throw Fault.of(error, false);
        }
    }

    private static Method find(Class<?> owner, String name) throws Fault {
        Method best = null;
        for (Method method : owner.getMethods()) {
            boolean fits = method.getName().equals(name) && (isStream(method.getParameterTypes()) || isPlain(method));
            if (fits && (best == null || rank(method) > rank(best))) {
                best = method;
            }
        }
        if (best == null) {
            throw Fault.of("No public method named " + name + " with appropriate method signature found on class "
                    + owner.getName(), "java.lang.NoSuchMethodException");
        }
        best.setAccessible(true); // public, but perhaps of a class that is not
        return best;
    }

    /** The method as it was written, where the compiler added one to make it public; only that one has its types. */
    private static Method written(Class<?> owner, Method method) {
        for (Class<?> place = owner; method.isBridge() && place != null; place = place.getSuperclass()) {
            for (Method other : place.getDeclaredMethods()) {
                boolean same = other.getName().equals(method.getName())
                        && Arrays.equals(other.getParameterTypes(), method.getParameterTypes());
                if (same && !other.isBridge()) {
                    return other;
                }
            }
        }
        return method;
    }

    private static boolean isStream(Class<?>[] parameters) {
        int streams = 0;
        for (Class<?> parameter : parameters) {
            streams += parameter == InputStream.class || parameter == OutputStream.class ? 1 : 0;
        }
        boolean context = parameters.length > streams && Invocation.isContext(parameters[parameters.length - 1]);
        return streams > 0 && parameters.length - streams == (context ? 1 : 0);
    }

    private static boolean isPlain(Method method) {
        Class<?>[] parameters = method.getParameterTypes();
        return parameters.length < 2
                || parameters.length == 2 && Invocation.isContext(parameters[1]) && !Invocation.isContext(parameters[0]);
    }

    /** Of several methods of the name AWS takes one that the compiler did not add, and the longest, with a context. */
    private static int rank(Method method) {
        Class<?>[] parameters = method.getParameterTypes();
        boolean context = parameters.length > 0 && Invocation.isContext(parameters[parameters.length - 1]);
        return (method.isBridge() ? 0 : 100) + parameters.length + (context ? 1 : 0);
    }

    private static Object made(Class<?> owner) throws Fault {
        Constructor<?> constructor;
        try {
            constructor = owner.getConstructor();
        } catch (NoSuchMethodException error) {
            boolean inner = owner.getEnclosingClass() != null && !Modifier.isStatic(owner.getModifiers());
            throw Fault.of("Class " + owner.getName() + (inner
                    ? " cannot be instantiated because it is a non-static inner class"
                    : " has no public zero-argument constructor"), "java.lang.Exception");
        }
        try {
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (InvocationTargetException error) {
            throw Fault.of(error.getCause(), true);
        } catch (ReflectiveOperationException error) {
            throw Fault.of(error, true);
        }
    }
}
