package bench;

/** What a contender is asked to do, as bench/contract says it. */
record Task(
        String brokers, String topic, String group, String scenario, int records, int partitions, long workNanos, long limitNanos, int answers, String copies) {
    /** The same for a group of its own, for so long at most. */
    Task warmingUp(long nanos) {
        long limit = limitNanos > 0 ? Math.min(limitNanos, nanos) : nanos;
        return new Task(brokers, topic, group + "-warm", scenario, records, partitions, workNanos, limit, answers, copies);
    }

    static Task parse(String[] args) {
        String brokers = "", topic = "", group = "", scenario = "";
        int records = 0, partitions = 1, answers = 0;
        long work = 0, limit = 0;
        for (int i = 1; i + 1 < args.length; i += 2) {
            String value = args[i + 1];
            switch (args[i]) {
                case "-brokers" -> brokers = value;
                case "-topic" -> topic = value;
                case "-group" -> group = value;
                case "-scenario" -> scenario = value;
                case "-records" -> records = Integer.parseInt(value);
                case "-partitions" -> partitions = Integer.parseInt(value);
                case "-work" -> work = nanos(value);
                case "-limit" -> limit = nanos(value);
                case "-answers" -> answers = Integer.parseInt(value);
                default -> { }
            }
        }
        return new Task(brokers, topic, group, scenario, records, partitions, work, limit, answers, group + "-copies");
    }

    /** Reads a duration as Go writes it: 0s, 10ms, 10s, 1m0s. */
    private static long nanos(String text) {
        long all = 0;
        var parts = java.util.regex.Pattern.compile("([0-9.]+)(ms|m|s|h)").matcher(text);
        while (parts.find()) {
            double unit = switch (parts.group(2)) {
                case "ms" -> 1e6;
                case "s" -> 1e9;
                case "m" -> 60e9;
                default -> 3600e9;
            };
            all += (long) (Double.parseDouble(parts.group(1)) * unit);
        }
        return all;
    }
}
