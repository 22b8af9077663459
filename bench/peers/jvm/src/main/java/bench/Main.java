package bench;

/**
 * Runs one of the peers of the JVM: its name, and the flags of a task. It does the task for a while beforehand, in a group of its own, and ends that, so that what
 * is measured is a JVM whose compilers have done most of their work, as in a service that has run for a while.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Task task = Task.parse(args);
        Load warm = new Load(task.warmingUp(WARM_NANOS));
        try (Peer peer = start(args[0], warm)) {
            warm.await();
        }
        Load load = new Load(task);
        start(args[0], load);
        System.out.println(load.await());
        System.out.flush();
        // What was measured is told; leaving the group in peace would only take time.
        Runtime.getRuntime().halt(0);
    }

    /** How long it warms up, from the end of the head on. */
    private static final long WARM_NANOS = 8_000_000_000L;

    /** A peer at work, until it is closed. */
    interface Peer extends AutoCloseable {
        @Override
        void close();
    }

    private static Peer start(String name, Load load) {
        return switch (name) {
            case "spring-kafka" -> SpringPeer.start(load);
            case "parallel-consumer" -> ParallelPeer.start(load);
            default -> throw new IllegalArgumentException("there is no peer " + name);
        };
    }
}
