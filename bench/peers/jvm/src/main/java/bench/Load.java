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
    private volatile long began;
    private long cpuBefore;
    private Processors processorsBefore;

    /** The head, as bench/contract's Meter has it: what it leaves out at the beginning. */
    private static final int HEAD_SHARE = 50;
    private static final long HEAD_NANOS = 1_000_000_000L;

    /** How long those may go on after the limit whose first attempts are all made, and whose retries wait. */
    private static final long RETRIES_NANOS = 20_000_000_000L;

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
                    processorsBefore = Processors.now();
                    began = System.nanoTime();
                }
            }
        }
    }

    /** Waits until all is settled or the limit is over, and returns the result as JSON. */
    String await() throws Exception {
        boolean firsts = task.scenario().equals("c");
        String result = null;
        long head = 0;
        long counts = 0; // since when
        long cpuThen = 0;
        Processors processorsThen = null;
        while (true) {
            Thread.sleep(1);
            long now = System.nanoTime();
            long count = firsts ? first.sum() : settled.sum();
            if (counts == 0 && began != 0 && count > 0 && count < task.records() && (count * HEAD_SHARE >= task.records() || now - began >= HEAD_NANOS)) {
                counts = now;
                head = count;
                cpuThen = cpu();
                processorsThen = Processors.now();
            }
            long limit = task.limitNanos() + (firsts && count >= task.records() ? RETRIES_NANOS : 0);
            boolean over = began != 0 && task.limitNanos() > 0 && now - (counts != 0 ? counts : began) > limit;
            boolean done = settled.sum() >= task.records();
            if (result == null && (over || count >= task.records())) {
                if (counts == 0 || count == head) {
                    counts = began;
                    head = 0;
                    cpuThen = cpuBefore;
                    processorsThen = processorsBefore;
                }
                result = String.format(java.util.Locale.ROOT, "\"records\":%d,\"head\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_bytes\":%d,%s", count - head, head,
                        (now - counts) / 1e9, (cpu() - cpuThen) / 1e9, peak(), Processors.now().since(processorsThen));
            }
            if (over || done) {
                String figures = firsts && done ? String.format(java.util.Locale.ROOT, ",\"figures\":{\"all done s\":%.3f}", (now - began) / 1e9) : "";
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
