package bench;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.LongAdder;

/** The work of one round: the handler whose calls are measured, and the round's end. Used concurrently. */
final class Load {
    final Task task;
    private final LongAdder first = new LongAdder();
    private final LongAdder settled = new LongAdder();
    private final long made = System.nanoTime();
    private volatile long began;
    private long cpuBefore;

    Load(Task task) {
        this.task = task;
    }

    /** One call of the handler, which fails as often as the record's value says. */
    void attempt(byte[] value, int attempt) {
        begin();
        if (task.workNanos() > 0) {
            try {
                Thread.sleep(task.workNanos() / 1_000_000, (int) (task.workNanos() % 1_000_000));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        if (attempt == 1) {
            first.add(value[0]);
        }
        if (attempt <= (value[1] & 0xff)) {
            throw new IllegalStateException("the service is away");
        }
        settled.increment();
    }

    /** A record was written elsewhere for good, and acknowledged. */
    void routed() {
        settled.increment();
    }

    private void begin() {
        if (began == 0) {
            synchronized (this) {
                if (began == 0) {
                    cpuBefore = cpu();
                    began = System.nanoTime();
                }
            }
        }
    }

    /** Waits until all is settled or the limit is over, and returns the result as JSON. */
    String await() throws Exception {
        boolean firsts = task.scenario().equals("c");
        String result = null;
        while (true) {
            Thread.sleep(1);
            long now = System.nanoTime();
            boolean over = began != 0 && task.limitNanos() > 0 && now - began > task.limitNanos();
            boolean done = settled.sum() >= task.records();
            long count = firsts ? first.sum() : settled.sum();
            if (result == null && (over || count >= task.records())) {
                result = String.format(java.util.Locale.ROOT, "\"records\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_bytes\":%d", count, (now - began) / 1e9,
                        (cpu() - cpuBefore) / 1e9, peak());
            }
            if (over || done) {
                String figures = firsts && done ? String.format(java.util.Locale.ROOT, ",\"figures\":{\"all done s\":%.3f}", (now - made) / 1e9) : "";
                return "{" + result + figures + "}";
            }
        }
    }

    private static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    /** The most memory that was resident, where Linux tells it. */
    private static long peak() throws java.io.IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        return 0;
    }
}
