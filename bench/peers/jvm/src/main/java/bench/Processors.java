package bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the processors of the machine have done since it began, in ticks, as bench/contract reads it. */
record Processors(long all, long idle, long stolen) {
    static Processors now() {
        try (var lines = Files.lines(Path.of("/proc/stat"))) {
            String[] fields = lines.findFirst().orElse("").split(" +");
            long all = 0;
            for (int i = 1; i <= 8; i++) {
                all += Long.parseLong(fields[i]);
            }
            return new Processors(all, Long.parseLong(fields[4]) + Long.parseLong(fields[5]), Long.parseLong(fields[8]));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The shares of their time since then in which they had nothing to do, and that went to others of the host. */
    String since(Processors then) {
        double time = Math.max(all - then.all, 1);
        return String.format(java.util.Locale.ROOT, "\"idle\":%.4f,\"stolen\":%.4f", (idle - then.idle) / time, (stolen - then.stolen) / time);
    }
}
