package workbench.host;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import sun.misc.Unsafe;

/** The inside's end of the control channel: marks go out, the owner's death comes in. */
final class Control implements Runnable {
    private final FileDescriptor descriptor;
    private final FileOutputStream out;

    private Control(FileDescriptor descriptor) {
        this.descriptor = descriptor;
        this.out = new FileOutputStream(descriptor);
    }

    /**
     * The inherited descriptor `number`, which no class of the JDK opens: it is a socket, not a path.
     *
     * <p>Its number is put in with Unsafe, as the option that would open java.io to reflection keeps the JVM from using
     * the module graph of its archive, which was measured as 8 ms of a cold start.
     */
    static Control inherited(int number) throws ReflectiveOperationException {
        Field access = Unsafe.class.getDeclaredField("theUnsafe");
        access.setAccessible(true);
        Unsafe unsafe = (Unsafe) access.get(null);
        FileDescriptor descriptor = new FileDescriptor();
        unsafe.putInt(descriptor, unsafe.objectFieldOffset(FileDescriptor.class.getDeclaredField("fd")), number);
        return new Control(descriptor);
    }

    /** Write a mark with the time of now: System.nanoTime is CLOCK_MONOTONIC on Linux, as the other marks are. */
    void mark(String name, Map<String, Object> error) throws IOException {
        Map<String, Object> mark = new LinkedHashMap<>();
        mark.put("mark", name);
        mark.put("at_ns", System.nanoTime());
        if (error != null) {
            mark.put("error", error);
        }
        out.write((new String(Json.bytes(mark), StandardCharsets.UTF_8) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** End this process when the owner's end is closed: the owner never writes, so a read returns only then. */
    void endWithOwner() {
        Thread watch = new Thread(null, this, "owner-watch", 1 << 16);
        watch.setDaemon(true);
        watch.start();
    }

    @Override
    public void run() {
        try (FileInputStream in = new FileInputStream(descriptor)) {
            while (in.read() >= 0) { }
        } catch (IOException error) {
            // as good as its end
        }
        Runtime.getRuntime().halt(137);
    }
}
