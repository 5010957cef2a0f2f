package workbench.host;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;

/** Generic types as far as a mapping needs them: the class of a type, its arguments, what a type variable stands for. */
final class Types {
    private Types() { }

    /** The class that a type erases to. */
    static Class<?> raw(Type type) {
        if (type instanceof Class<?> known) {
            return known;
        }
        if (type instanceof ParameterizedType generic) {
            return (Class<?>) generic.getRawType();
        }
        if (type instanceof GenericArrayType array) {
            return Array.newInstance(raw(array.getGenericComponentType()), 0).getClass();
        }
        if (type instanceof WildcardType wildcard) {
            return raw(wildcard.getUpperBounds()[0]);
        }
        return raw(((TypeVariable<?>) type).getBounds()[0]);
    }

    /** The argument number `index` of a generic type; Object where it has none. */
    static Type argument(Type type, int index) {
        if (type instanceof ParameterizedType generic && index < generic.getActualTypeArguments().length) {
            return generic.getActualTypeArguments()[index];
        }
        return Object.class;
    }

    /** What `type`, written in a class or interface above `leaf`, is in `leaf`: its variables put in where possible. */
    static Type in(Type type, Type leaf) {
        if (!(type instanceof TypeVariable<?> variable)) {
            return type;
        }
        Type found = look(variable, leaf);
        return found == null ? variable.getBounds()[0] : found;
    }

    private static Type look(TypeVariable<?> variable, Type from) {
        if (from == null) {
            return null;
        }
        Class<?> here = raw(from);
        if (here == variable.getGenericDeclaration()) {
            TypeVariable<?>[] own = here.getTypeParameters();
            for (int i = 0; i < own.length; i++) {
                if (own[i].equals(variable) && from instanceof ParameterizedType) {
                    return argument(from, i);
                }
            }
            return null;
        }
        Type found = look(variable, here.getGenericSuperclass());
        for (Type above : here.getGenericInterfaces()) {
            found = found == null ? look(variable, above) : found;
        }
        // What was found may be a variable of this class in turn.
        return found instanceof TypeVariable<?> own && from instanceof ParameterizedType ? look(own, from) : found;
    }
}
