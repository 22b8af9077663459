package bench;

/** Runs one of the peers of the JVM: its name, and the flags of a task. */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Load load = new Load(Task.parse(args));
        switch (args[0]) {
            case "spring-kafka" -> SpringPeer.start(load);
            case "parallel-consumer" -> ParallelPeer.start(load);
            default -> throw new IllegalArgumentException("there is no peer " + args[0]);
        }
        System.out.println(load.await());
        System.out.flush();
        // What was measured is told; leaving the group in peace would only take time.
        Runtime.getRuntime().halt(0);
    }
}
