package workbench.host;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Trees of JSON to and from a service's own types: what AWS's runtime does with Jackson, for the common part of it.
 *
 * <p>Beans by setters, getters and public fields; records by component; collections, maps, arrays, enums, Optional;
 * byte[] as base64. Unknown names are ignored, null properties left out, "" is null where an object is wanted, as AWS
 * sets Jackson up. Other classes of the JDK (UUID, URI, java.time) go by their text; annotations are not looked at.
 *
 * <p>The file is long as each kind of type is a case of its own, and both directions are best read side by side.
 */
final class Mapper {
    private Mapper() { }

    /** `tree` as a value of `type`; throws IllegalArgumentException with the place where it does not fit. */
    static Object read(Object tree, Type type) {
        Class<?> wanted = Types.raw(type);
        if (tree == null) {
            return wanted.isPrimitive() ? Array.get(Array.newInstance(wanted, 1), 0)
                    : wanted == Optional.class ? Optional.empty() : null;
        }
        if (wanted == Object.class) {
            return plain(tree);
        }
        if (wanted.isPrimitive() || Number.class.isAssignableFrom(wanted)) {
            return number(tree, wanted);
        }
        if (wanted == Boolean.class) {
            return number(tree, boolean.class);
        }
        if (wanted == Character.class) {
            return number(tree, char.class);
        }
        if (wanted == String.class || wanted == CharSequence.class) {
            if (tree instanceof Map || tree instanceof List) {
                throw mismatch(tree, wanted);
            }
            return tree.toString();
        }
        if (wanted == Optional.class) {
            return Optional.ofNullable(read(tree, Types.argument(type, 0)));
        }
        if (wanted == byte[].class && tree instanceof String text) {
            return Base64.getDecoder().decode(text);
        }
        if (wanted.isArray()) {
            return array(tree, type, wanted);
        }
        if (Collection.class.isAssignableFrom(wanted) || wanted == Iterable.class) {
            return collection(tree, type, wanted);
        }
        if (Map.class.isAssignableFrom(wanted)) {
            return map(tree, type, wanted);
        }
        if (wanted.isEnum()) {
            return constant(tree, wanted);
        }
        if ("".equals(tree)) {
            return null;
        }
        if (wanted == Date.class && tree instanceof Number milliseconds) {
            return new Date(milliseconds.longValue());
        }
        if (wanted.getModule().isNamed()) {
            return fromText(tree, wanted);
        }
        if (!(tree instanceof Map<?, ?> properties)) {
            throw mismatch(tree, wanted);
        }
        return wanted.isRecord() ? record(properties, type, wanted) : bean(properties, type, wanted);
    }

    /** A service's value as a tree of JSON; throws IllegalArgumentException where it has no such form. */
    static Object write(Object value) {
        return write(value, 0);
    }

    // ---- reading

    private static Object plain(Object tree) {
        if (tree instanceof BigDecimal number) {
            return number.doubleValue();
        }
        if (tree instanceof Map<?, ?> map) {
            @SuppressWarnings("unchecked")
            Map<Object, Object> properties = (Map<Object, Object>) map;
            for (Map.Entry<Object, Object> entry : properties.entrySet()) {
                entry.setValue(plain(entry.getValue()));
            }
        } else if (tree instanceof List<?> list) {
            @SuppressWarnings("unchecked")
            List<Object> items = (List<Object>) list;
            for (int i = 0; i < items.size(); i++) {
                items.set(i, plain(items.get(i)));
            }
        }
        return tree;
    }

    private static Object number(Object tree, Class<?> wanted) {
        if (wanted == boolean.class && tree instanceof Boolean) {
            return tree;
        }
        if (wanted == char.class && tree instanceof String text && text.length() == 1) {
            return text.charAt(0);
        }
        if ("".equals(tree) && !wanted.isPrimitive()) {
            return null;
        }
        try {
            if (wanted == boolean.class) {
                if (tree instanceof String text && (text.equals("true") || text.equals("false"))) {
                    return Boolean.valueOf(text);
                }
                throw mismatch(tree, wanted);
            }
            if (!(tree instanceof Number) && !(tree instanceof String)) {
                throw mismatch(tree, wanted);
            }
            return number(new BigDecimal(tree.toString().trim()), wanted);
        } catch (ArithmeticException | NumberFormatException error) {
            throw mismatch(tree, wanted);
        }
    }

    private static Object number(BigDecimal number, Class<?> wanted) {
        if (wanted == double.class || wanted == Double.class) {
            return number.doubleValue();
        }
        if (wanted == float.class || wanted == Float.class) {
            return number.floatValue();
        }
        if (wanted == BigDecimal.class) {
            return number;
        }
        if (wanted == Number.class) {
            return number.scale() <= 0 ? (Object) number.toBigInteger() : (Object) number.doubleValue();
        }
        // A whole number is wanted: a fraction is cut off, as Jackson does; one too large is refused.
        BigInteger whole = number.toBigInteger();
        if (wanted == BigInteger.class) {
            return whole;
        }
        if (wanted == long.class || wanted == Long.class) {
            return whole.longValueExact();
        }
        if (wanted == int.class || wanted == Integer.class) {
            return whole.intValueExact();
        }
        if (wanted == short.class || wanted == Short.class) {
            return whole.shortValueExact();
        }
        if (wanted == byte.class || wanted == Byte.class) {
            return whole.byteValueExact();
        }
        throw mismatch(number, wanted);
    }

    private static Object array(Object tree, Type type, Class<?> wanted) {
        Type inner = type instanceof java.lang.reflect.GenericArrayType generic
                ? generic.getGenericComponentType() : wanted.getComponentType();
        List<?> items = items(tree);
        Object found = Array.newInstance(wanted.getComponentType(), items.size());
        for (int i = 0; i < items.size(); i++) {
            Array.set(found, i, at(items.get(i), inner, "[" + i + "]"));
        }
        return found;
    }

    private static Object collection(Object tree, Type type, Class<?> wanted) {
        Collection<Object> found;
        if (SortedSet.class.isAssignableFrom(wanted) && wanted.isInterface()) {
            found = new TreeSet<>();
        } else if (Set.class.isAssignableFrom(wanted) && wanted.isInterface()) {
            found = new LinkedHashSet<>();
        } else if (wanted.isAssignableFrom(ArrayList.class)) {
            found = new ArrayList<>();
        } else if (wanted.isAssignableFrom(ArrayDeque.class)) {
            found = new ArrayDeque<>();
        } else {
            @SuppressWarnings("unchecked")
            Collection<Object> own = (Collection<Object>) made(wanted);
            found = own;
        }
        int i = 0;
        for (Object item : items(tree)) {
            found.add(at(item, Types.argument(type, 0), "[" + i++ + "]"));
        }
        return found;
    }

    private static List<?> items(Object tree) {
        return tree instanceof List<?> list ? list : List.of(tree); // a single value is taken for a list of it
    }

    private static Object map(Object tree, Type type, Class<?> wanted) {
        if (!(tree instanceof Map<?, ?> entries)) {
            if ("".equals(tree)) {
                return null;
            }
            throw mismatch(tree, wanted);
        }
        Map<Object, Object> found;
        if (wanted.isAssignableFrom(LinkedHashMap.class)) {
            found = new LinkedHashMap<>();
        } else if (SortedMap.class.isAssignableFrom(wanted) && wanted.isAssignableFrom(TreeMap.class)) {
            found = new TreeMap<>();
        } else {
            @SuppressWarnings("unchecked")
            Map<Object, Object> own = (Map<Object, Object>) made(wanted);
            found = own;
        }
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            Object name = read(entry.getKey(), Types.argument(type, 0));
            found.put(name, at(entry.getValue(), Types.argument(type, 1), "." + entry.getKey()));
        }
        return found;
    }

    private static Object constant(Object tree, Class<?> wanted) {
        for (Object constant : wanted.getEnumConstants()) {
            if (((Enum<?>) constant).name().equals(tree)) {
                return constant;
            }
        }
        return null; // AWS reads an unknown constant as null
    }

    private static Object fromText(Object tree, Class<?> wanted) {
        if (!(tree instanceof Map) && !(tree instanceof List)) {
            for (String name : new String[] {"parse", "fromString", "of", "valueOf", "forName", "<init>"}) {
                for (Class<?> text : new Class<?>[] {String.class, CharSequence.class}) {
                    try {
                        if (name.equals("<init>")) {
                            return call(wanted.getConstructor(text), null, tree.toString());
                        }
                        Method maker = wanted.getMethod(name, text);
                        if (Modifier.isStatic(maker.getModifiers()) && wanted.isAssignableFrom(maker.getReturnType())) {
                            return call(maker, null, tree.toString());
                        }
                    } catch (NoSuchMethodException none) {
                        // the next way
                    }
                }
            }
        }
        throw mismatch(tree, wanted);
    }

    private static Object record(Map<?, ?> properties, Type type, Class<?> wanted) {
        RecordComponent[] components = wanted.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            types[i] = components[i].getType();
            String name = components[i].getName();
            values[i] = at(properties.get(name), Types.in(components[i].getGenericType(), type), "." + name);
        }
        try {
            return call(wanted.getDeclaredConstructor(types), null, values);
        } catch (NoSuchMethodException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static Object bean(Map<?, ?> properties, Type type, Class<?> wanted) {
        Object found = made(wanted);
        Bean bean = Bean.of(wanted);
        for (Map.Entry<?, ?> entry : properties.entrySet()) {
            Bean.Setter setter = bean.setters.get(entry.getKey());
            if (setter != null) {
                Object value = at(entry.getValue(), Types.in(setter.type(), type), "." + entry.getKey());
                try {
                    setter.set(found, value);
                } catch (InvocationTargetException error) {
                    throw own(error);
                } catch (IllegalAccessException error) {
                    throw new IllegalArgumentException(error.getMessage(), error);
                }
            }
        }
        return found;
    }

    private static Object made(Class<?> wanted) {
        try {
            return call(wanted.getDeclaredConstructor(), null);
        } catch (NoSuchMethodException error) {
            throw new IllegalArgumentException(
                    "Cannot make a " + wanted.getName() + ": it has no constructor without parameters", error);
        }
    }

    private static Object call(Executable what, Object target, Object... arguments) {
        try {
            if (!what.getDeclaringClass().getModule().isNamed()) {
                what.setAccessible(true);
            }
            return what instanceof Method method ? method.invoke(target, arguments)
                    : ((Constructor<?>) what).newInstance(arguments);
        } catch (InvocationTargetException error) {
            throw own(error);
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(
                    "Cannot use " + what.getDeclaringClass().getName() + ": " + error, error);
        }
    }

    private static IllegalArgumentException own(InvocationTargetException error) {
        Throwable cause = error.getCause();
        if (cause instanceof Error serious) {
            throw serious;
        }
        return new IllegalArgumentException(String.valueOf(cause), cause);
    }

    private static Object at(Object tree, Type type, String place) {
        try {
            return read(tree, type);
        } catch (Misfit misfit) {
            throw new Misfit(misfit.what, place + misfit.place);
        }
    }

    private static Misfit mismatch(Object tree, Class<?> wanted) {
        String what = tree instanceof Map ? "an object" : tree instanceof List ? "an array"
                : new String(Json.bytes(tree instanceof CharSequence || tree instanceof Number ? tree : tree.toString()),
                        java.nio.charset.StandardCharsets.UTF_8);
        return new Misfit("Cannot make a value of type " + wanted.getTypeName() + " of " + what, "");
    }

    /** A part of the event that does not fit its type, and where it stands. */
    private static final class Misfit extends IllegalArgumentException {
        private static final long serialVersionUID = 1;
        private final String what;
        private final String place;

        Misfit(String what, String place) {
            super(place.isEmpty() ? what : what + " (at " + (place.startsWith(".") ? place.substring(1) : place) + ")");
            this.what = what;
            this.place = place;
        }
    }

    // ---- writing

    private static Object write(Object value, int depth) {
        if (depth > Json.MAX_DEPTH) {
            throw new IllegalArgumentException("The result is nested more than " + Json.MAX_DEPTH
                    + " deep, or holds itself");
        }
        if (value == null || value instanceof CharSequence || value instanceof Number || value instanceof Boolean
                || value instanceof Character) {
            return value;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> found = new LinkedHashMap<>();
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                found.put(String.valueOf(entry.getKey()), write(entry.getValue(), depth + 1));
            }
            return found;
        }
        if (value instanceof Iterable<?> items && !(value instanceof java.nio.file.Path)) {
            List<Object> found = new ArrayList<>();
            for (Object item : items) {
                found.add(write(item, depth + 1));
            }
            return found;
        }
        if (value instanceof byte[] bytes) {
            return Base64.getEncoder().encodeToString(bytes);
        }
        if (value instanceof char[] characters) {
            return new String(characters);
        }
        if (value.getClass().isArray()) {
            List<Object> found = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++) {
                found.add(write(Array.get(value, i), depth + 1));
            }
            return found;
        }
        if (value instanceof Optional<?> perhaps) {
            return write(perhaps.orElse(null), depth + 1);
        }
        if (value instanceof Date date) {
            return date.getTime();
        }
        if (value instanceof Enum<?> constant) {
            return constant.name();
        }
        if (value.getClass().getModule().isNamed()) {
            return value.toString();
        }
        return properties(value, depth);
    }

    private static Object properties(Object value, int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<String, Bean.Getter> entry : Bean.of(value.getClass()).getters.entrySet()) {
            Object property;
            try {
                property = entry.getValue().get(value);
            } catch (InvocationTargetException error) {
                throw own(error);
            } catch (IllegalAccessException error) {
                throw new IllegalArgumentException(error.getMessage(), error);
            }
            if (property != null) {
                found.put(entry.getKey(), write(property, depth + 1));
            }
        }
        return found;
    }
}
