package workbench.host;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** A class's properties by the names of the JavaBeans convention: public setters, getters and fields, or components. */
final class Bean {
    private static final Map<Class<?>, Bean> KNOWN = new ConcurrentHashMap<>();
    final Map<String, Setter> setters = new LinkedHashMap<>();
    final Map<String, Getter> getters = new LinkedHashMap<>();

    /** A property that can be set: by `member`, a Method or a Field. */
    record Setter(AccessibleObject member, Type type) {
        void set(Object target, Object value) throws IllegalAccessException, InvocationTargetException {
            if (member instanceof Method method) {
                method.invoke(target, value);
            } else {
                ((Field) member).set(target, value);
            }
        }
    }

    /** A property that can be read: by `member`, a Method or a Field. */
    record Getter(AccessibleObject member) {
        Object get(Object target) throws IllegalAccessException, InvocationTargetException {
            return member instanceof Method method ? method.invoke(target) : ((Field) member).get(target);
        }
    }

    private Bean(Class<?> owner) {
        for (Field field : owner.getFields()) {
            if (!Modifier.isStatic(field.getModifiers())) {
                field.setAccessible(true);
                getters.put(field.getName(), new Getter(field));
                if (!Modifier.isFinal(field.getModifiers())) {
                    setters.put(field.getName(), new Setter(field, field.getGenericType()));
                }
            }
        }
        for (RecordComponent component : owner.isRecord() ? owner.getRecordComponents() : new RecordComponent[0]) {
            component.getAccessor().setAccessible(true);
            getters.put(component.getName(), new Getter(component.getAccessor()));
        }
        for (Method method : owner.getMethods()) {
            boolean own = method.getDeclaringClass() != Object.class && !method.getDeclaringClass().getModule().isNamed();
            if (own && !Modifier.isStatic(method.getModifiers()) && !method.isBridge()) {
                add(method);
            }
        }
    }

    static Bean of(Class<?> owner) {
        Bean known = KNOWN.get(owner);
        if (known == null) {
            known = new Bean(owner);
            KNOWN.put(owner, known);
        }
        return known;
    }

    private void add(Method method) {
        String name = method.getName();
        int parameters = method.getParameterCount();
        boolean answers = method.getReturnType() != void.class;
        if (parameters == 1 && name.startsWith("set") && name.length() > 3) {
            method.setAccessible(true);
            setters.put(property(name.substring(3)), new Setter(method, method.getGenericParameterTypes()[0]));
        } else if (parameters == 0 && answers && name.startsWith("get") && name.length() > 3) {
            method.setAccessible(true);
            getters.put(property(name.substring(3)), new Getter(method));
        } else if (parameters == 0 && name.startsWith("is") && name.length() > 2
                && method.getReturnType() == boolean.class) {
            method.setAccessible(true);
            getters.put(property(name.substring(2)), new Getter(method));
        }
    }

    /** `URL` of getURL stays as it is, `Name` of getName begins small (JavaBeans specification, "Capitalization"). */
    private static String property(String name) {
        boolean acronym = name.length() > 1 && Character.isUpperCase(name.charAt(0))
                && Character.isUpperCase(name.charAt(1));
        return acronym ? name : Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }
}
